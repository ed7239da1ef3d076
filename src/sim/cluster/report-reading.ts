/**
 * What a report shows of a policy, read from the engine's log as it comes: who ran when, where, and beside whom.
 *
 * A run ends, and another begins, where the number of jobs on its GPUs changes: so GPUs that are shared count once.
 */

import type { JobId } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { DecisionLine, LogLine, StartLine } from "../../cluster/log.ts";
import { gpusIn, type Share } from "../../cluster/node.ts";
import type { ReportPolicy } from "../../cluster/report/columns.ts";
import type { Seconds } from "../../time/clock.ts";

interface Life {
  readonly index: number;
  launches: number;
  start: Seconds;
  end: Seconds;
  /** GPU-seconds held. */
  held: number;
  planned: StartLine | undefined;
  /** The run that goes on. */
  run: number | undefined;
  places: readonly Share[];
  /** Those on the same GPUs, itself included; the same set for all of them. */
  group: Set<Life>;
}

/** Numbers, of which more will come. */
class Growing<T extends Float64Array | Uint32Array> {
  #values: T;
  length = 0;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(1024);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const more = this.#make(2 * this.length);
      more.set(this.#values);
      this.#values = more;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  put(index: number, value: number): void {
    this.#values[index] = value;
  }

  done(): T {
    return this.#values.slice(0, this.length) as T;
  }
}

const f64 = (length: number): Float64Array => new Float64Array(length);
const u32 = (length: number): Uint32Array => new Uint32Array(length);

export class ReportReading {
  readonly #lives: readonly Life[];
  readonly #byId: ReadonlyMap<JobId, Life>;
  readonly #job = new Growing(u32);
  readonly #start = new Growing(f64);
  readonly #end = new Growing(f64);
  readonly #sharers = new Growing(u32);
  readonly #first = new Growing(u32);
  readonly #node = new Growing(u32);
  readonly #gpus = new Growing(u32);
  #at: Seconds = 0;

  /** Ids in the order in which the report has its jobs. */
  constructor(ids: readonly JobId[]) {
    this.#lives = ids.map((_, index) => ({
      ...{ index, launches: 0, start: Number.NaN, end: Number.NaN, held: 0 },
      ...{ planned: undefined, run: undefined, places: [], group: new Set() },
    }));
    this.#byId = new Map(ids.map((id, i) => [id, this.#lives[i]!]));
  }

  readonly add = (line: LogLine): void => {
    this.#at = line.at;
    if (line.kind === "event") this.#event(line.event, Math.min(line.event.at, line.at));
    else if (line.kind === "decided") this.#decided(line);
    else if (line.kind === "launched") this.#launched(this.#life(line.job), line.at);
  };

  #event(event: ClusterEvent, at: Seconds): void {
    if (event.kind !== "stopped" && event.kind !== "finished" && event.kind !== "failed") return;
    const life = this.#life(event.job);
    this.#left(life, at);
    if (event.kind === "finished") life.end = at;
  }

  #decided({ at, start }: DecisionLine): void {
    for (const line of start) {
      const life = this.#life(line.job);
      life.planned = line;
      if (!line.later) this.#launched(life, at);
    }
  }

  #launched(life: Life, at: Seconds): void {
    const { on, beside } = life.planned!;
    if (Number.isNaN(life.start)) life.start = at;
    life.launches++;
    life.places = on;
    life.group = beside.map((id) => this.#life(id)).find((mate) => mate.run !== undefined)?.group ?? new Set();
    for (const mate of life.group) this.#close(mate, at);
    life.group.add(life);
    for (const mate of life.group) this.#open(mate, at);
  }

  #left(life: Life, at: Seconds): void {
    if (life.run === undefined) return;
    const { group } = life;
    for (const mate of group) this.#close(mate, at);
    group.delete(life);
    for (const mate of group) this.#open(mate, at);
    life.group = new Set();
  }

  #open(life: Life, at: Seconds): void {
    life.run = this.#job.length;
    this.#job.push(life.index);
    this.#start.push(at);
    this.#end.push(at);
    this.#sharers.push(life.group.size);
    this.#first.push(this.#node.length);
    for (const { node, gpus } of life.places) {
      this.#node.push(node);
      this.#gpus.push(gpus);
    }
  }

  #close(life: Life, at: Seconds): void {
    const { run } = life;
    if (run === undefined) return;
    this.#end.put(run, at);
    const gpus = gpusIn(life.places);
    life.held += ((at - this.#start.at(run)) * gpus) / this.#sharers.at(run);
    life.run = undefined;
  }

  #life(id: JobId): Life {
    return this.#byId.get(id)!;
  }

  /** Once the log has ended; ρ by job, NaN where it is not known. More runs than `runsMost` are drawn together where that can be. */
  policy(name: string, rho: Float64Array, runsMost = 400_000): ReportPolicy {
    for (const life of this.#lives) this.#close(life, this.#at);
    this.#first.push(this.#node.length);
    const all: ReportPolicy = {
      name,
      rho,
      start: Float64Array.from(this.#lives, ({ start }) => start),
      end: Float64Array.from(this.#lives, ({ end }) => end),
      restarts: Uint32Array.from(this.#lives, ({ launches }) => Math.max(0, launches - 1)),
      held: Float64Array.from(this.#lives, ({ held }) => held),
      ...{ runJob: this.#job.done(), runStart: this.#start.done(), runEnd: this.#end.done() },
      ...{ runSharers: this.#sharers.done(), first: this.#first.done() },
      ...{ shareNode: this.#node.done(), shareGpus: this.#gpus.done() },
      coarseSeconds: 0,
    };
    let coarse = all;
    for (let gap = 60; coarse.runJob.length > runsMost && gap < 1e7; gap *= 4) coarse = joined(all, gap);
    return coarse;
  }
}

/** Runs of a job on the same GPUs as one, where less than `gap` seconds lie between them. */
function joined(policy: ReportPolicy, gap: Seconds): ReportPolicy {
  const { runJob, runStart, runEnd, runSharers, first, shareNode, shareGpus } = policy;
  const lastOf = new Map<number, number>();
  const ends = runEnd.slice();
  const samePlaces = (a: number, b: number): boolean => {
    const shares = first[a + 1]! - first[a]!;
    if (shares !== first[b + 1]! - first[b]!) return false;
    for (let i = 0; i < shares; i++) {
      const [x, y] = [first[a]! + i, first[b]! + i];
      if (shareNode[x] !== shareNode[y] || shareGpus[x] !== shareGpus[y]) return false;
    }
    return true;
  };
  const kept: number[] = [];
  for (let run = 0; run < runJob.length; run++) {
    const last = lastOf.get(runJob[run]!);
    if (last !== undefined && runStart[run]! - ends[last]! < gap && samePlaces(last, run)) {
      ends[last] = runEnd[run]!;
      continue;
    }
    lastOf.set(runJob[run]!, run);
    kept.push(run);
  }
  const shares = kept.flatMap((run) =>
    Array.from({ length: first[run + 1]! - first[run]! }, (_, i) => first[run]! + i),
  );
  const starts = new Uint32Array(kept.length + 1);
  kept.forEach((run, k) => {
    starts[k + 1] = starts[k]! + first[run + 1]! - first[run]!;
  });
  return {
    ...policy,
    runJob: Uint32Array.from(kept, (run) => runJob[run]!),
    runStart: Float64Array.from(kept, (run) => runStart[run]!),
    runEnd: Float64Array.from(kept, (run) => ends[run]!),
    runSharers: Uint32Array.from(kept, (run) => runSharers[run]!),
    first: starts,
    shareNode: Uint32Array.from(shares, (share) => shareNode[share]!),
    shareGpus: Uint32Array.from(shares, (share) => shareGpus[share]!),
    coarseSeconds: gap,
  };
}
