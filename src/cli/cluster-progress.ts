/** What is seen of a cluster at work: a line that moves on a terminal; elsewhere a line now and then. */
import type { LogLine } from "../cluster/log.ts";
import { say, sayOver } from "./terminal.ts";

export interface ClusterProgress {
  add(line: LogLine): void;
  end(): void;
}

/** Milliseconds between two plain lines, and between two of a terminal. */
const plainEvery = 10_000;
const liveEvery = 100;

export function clusterProgress(jobs: number): ClusterProgress {
  const live = process.stderr.isTTY === true;
  const running = new Set<string>();
  const ended = new Map<string, number>();
  /** Those that run, and those that were given GPUs and do not run yet. */
  const placed = new Set<string>();
  let decided: { readonly waiting: number; readonly free: number } | undefined;
  let [at, said] = [0, Number.NEGATIVE_INFINITY];
  const words = (): string => {
    const starting = [...placed].filter((job) => !running.has(job)).length;
    const ends = [...ended].map(([how, count]) => `, ${count} ${how}`).join("");
    const start = starting > 0 ? `, ${starting} start` : "";
    return `${at.toFixed(0)} s: ${running.size} run${start}, ${decided?.waiting ?? 0} wait, ${decided?.free ?? 0} GPUs free${ends}, of ${jobs}`;
  };
  const show = (): void => {
    if (decided === undefined) return;
    const now = performance.now();
    if (now - said < (live ? liveEvery : plainEvery)) return;
    said = now;
    if (live) sayOver(words());
    else say(words());
  };
  return {
    add(line) {
      ({ at } = line);
      if (line.kind === "decided") {
        decided = line;
        for (const job of line.stop) placed.delete(job);
        for (const { job } of line.start) placed.add(job);
      } else if (line.kind === "refused") {
        say(`${line.job} is refused: ${line.why}`);
        count(ended, "refused");
      } else if (line.kind === "given-up") {
        say(`${line.job} has failed too often, and is given up.`);
        count(ended, "given up");
      } else if (line.kind === "event") hear(line.event);
      show();
    },
    end() {
      if (live) sayOver(`${words()}\n`);
    },
  };

  function hear(event: Extract<LogLine, { kind: "event" }>["event"]): void {
    if (event.kind === "started") running.add(event.job);
    else if (event.kind === "node-lost" || event.kind === "node-back") say(`node ${event.node}: ${event.kind}`);
    else if (event.kind !== "submitted" && event.kind !== "round") running.delete(event.job);
    if (event.kind === "finished") {
      placed.delete(event.job);
      count(ended, "finished");
    }
    if (event.kind === "failed") say(`${event.job}, attempt ${event.attempt} failed: ${event.why}`);
  }
}

const count = (counts: Map<string, number>, how: string): void => void counts.set(how, (counts.get(how) ?? 0) + 1);
