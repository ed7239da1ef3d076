/**
 * Parity: the events of a log, at the times when the engine learned of them, through another engine whose launcher does nothing.
 * Its log must be equal to the first: a run on a real cluster and its replay in virtual time decide alike.
 */
import { ClusterEngine, type EngineParts } from "../../cluster/engine.ts";
import type { ClusterEvent, Launcher } from "../../cluster/launcher.ts";
import type { LogLine } from "../../cluster/log.ts";
import type { Clock, Seconds } from "../../time/clock.ts";

export interface ReplaySetup extends Pick<EngineParts, "policy" | "nodes" | "roundSeconds" | "failuresMax"> {
  /**
   * For policies that look at the progress of jobs: what tells it, from the runs that it is told of. What it reports is ignored. It
   * may ask the clock to be called back; those calls never come.
   */
  readonly launcher?: (clock: Clock) => Launcher;
}

const silent: Launcher = { start: () => undefined, stop: () => undefined };

export function replayCluster(log: Iterable<LogLine>, setup: ReplaySetup): LogLine[] {
  let now: Seconds = 0;
  const clock: Clock = { now: () => now, at: () => undefined };
  const lines: LogLine[] = [];
  const { launcher, ...parts } = setup;
  const told = launcher?.(clock);
  const engine = new ClusterEngine({
    ...parts,
    clock,
    launcher: told === undefined ? silent : withoutReports(told),
    log: (line) => lines.push(line),
  });
  for (const line of log) {
    now = line.at;
    if (line.kind === "event") tellEnd(told, line.event);
    if (line.kind === "event") engine.report(line.event);
    else if (line.kind === "decided") engine.decide();
  }
  return lines;
}

/** A model whose clock does not run does not see that a run has ended: it is told, since others may have shared its GPUs. */
function tellEnd(launcher: Launcher | undefined, event: ClusterEvent): void {
  if (event.kind === "finished" || event.kind === "failed") launcher?.stop(event.job, event.attempt);
}

const withoutReports = (launcher: Launcher): Launcher => ({
  start: (run) => launcher.start(run),
  stop: (job, attempt) => launcher.stop(job, attempt),
  outlook: (job) => launcher.outlook?.(job),
});

/** The first line in which two logs differ, in words; `undefined` where they are equal. */
export function firstDifference(a: readonly LogLine[], b: readonly LogLine[]): string | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [mine, other] = [JSON.stringify(a[i]), JSON.stringify(b[i])];
    if (mine !== other) return `line ${i + 1}: ${mine ?? "nothing"} against ${other ?? "nothing"}`;
  }
  return undefined;
}
