/**
 * A recorded log, run again: the same arrivals, cancellations and results at the same times, decisions made anew. Where the
 * engine is the recorded one, the two logs must be equal, line by line.
 */
import { assert, UserError } from "../core/errors.ts";
import { Engine } from "../serve/engine.ts";
import type { Executor, Produced } from "../serve/executor.ts";
import type { LogHeader, LogLine } from "../serve/log.ts";
import type { Setup } from "./simulate.ts";
import type { SimulatedRequest } from "./workload.ts";

type Policies = Pick<Setup, "batching" | "kvCache" | "speculation">;

export function replay(header: LogHeader, policies: Policies, recorded: readonly LogLine[]): LogLine[] {
  const log: LogLine[] = [];
  let now = 0;
  let done: ((produced: readonly Produced[]) => void) | undefined;
  const executor: Executor = {
    start(_pass, finish) {
      done = finish;
    },
    forget() {},
  };
  const engine = new Engine({
    ...header,
    ...policies,
    names: header,
    clock: { now: () => now },
    executor,
    log: (line) => log.push(line),
  });
  for (const line of recorded) {
    now = line.at;
    if (line.kind === "arrive") engine.submit(line.request);
    else if (line.kind === "cancel") engine.cancel(line.id);
    else if (line.kind === "done") {
      const finish = done;
      assert(finish !== undefined, () => `a pass ended at ${line.at} s that the replay did not start`);
      done = undefined;
      finish(line.produced);
    }
  }
  return log;
}

/** The first line in which two logs differ, for people; `undefined` where they are equal. */
export function firstDifference(a: readonly LogLine[], b: readonly LogLine[]): string | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [JSON.stringify(a[i]), JSON.stringify(b[i])];
    if (left !== right) return `line ${i + 1}:\n  ${left ?? "(ends)"}\n  ${right ?? "(ends)"}`;
  }
  return undefined;
}

/** Reads a log that `heddle serve --record` wrote. A last line cut short by a crash is left out. */
export function readLog(text: string, path: string): { readonly header: LogHeader; readonly lines: LogLine[] } {
  const parsed: unknown[] = [];
  const lines = text.split("\n").filter((line) => line !== "");
  for (const [i, line] of lines.entries()) {
    try {
      parsed.push(JSON.parse(line));
    } catch {
      if (i === lines.length - 1 && !text.endsWith("\n")) break;
      throw new UserError(`${path}, line ${i + 1}, is not JSON.`, "Give a file that `heddle serve --record` wrote.");
    }
  }
  const [header, ...rest] = parsed as [LogHeader | undefined, ...LogLine[]];
  if (header?.kind !== "header") {
    throw new UserError(
      `${path} does not begin with a log's header.`,
      "Give a file that `heddle serve --record` wrote.",
    );
  }
  return { header, lines: rest };
}

/** The requests of a log with what they turned out to produce: a workload for another simulation. Cancelled ones are left out. */
export function requestsOf(lines: readonly LogLine[]): SimulatedRequest[] {
  const produced = new Map<number, number>();
  const cancelled = new Set(lines.flatMap((line) => (line.kind === "cancel" ? [line.id] : [])));
  for (const line of lines) {
    if (line.kind !== "done") continue;
    for (const p of line.produced)
      if (p.choice === 0) produced.set(p.request, (produced.get(p.request) ?? 0) + p.tokens);
  }
  return lines.flatMap((line) => {
    if (line.kind !== "arrive" || cancelled.has(line.request.id)) return [];
    const outputTokens = produced.get(line.request.id);
    return outputTokens === undefined ? [] : [{ at: line.at, arrival: line.request, outputTokens }];
  });
}
