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

/** What changes with each of millions of runs. */
class Life {
  readonly index: number;
  launches = 0;
  /** Where it waits for its GPUs. */
  planned: StartLine | undefined;
  /** The run that goes on. */
  run: number | undefined;
  places: readonly Share[] = nowhere;
  /** On these places. */
  gpus = 0;
  /** Those on the same GPUs, itself included; the same set for all of them. Absent where it was never with others. */
  group: Set<Life> | undefined;

  constructor(index: number) {
    this.index = index;
  }
}

const nowhere: readonly Share[] = [];

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
  /** By job: its first start, its end, and GPU-seconds held. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #held: Float64Array;
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
    this.#lives = ids.map((_, index) => new Life(index));
    this.#starts = f64(ids.length).fill(Number.NaN);
    this.#ends = f64(ids.length).fill(Number.NaN);
    this.#held = f64(ids.length);
    this.#byId = new Map(ids.map((id, i) => [id, this.#lives[i]!]));
  }

  readonly add = (line: LogLine): void => {
    this.#at = line.at;
    if (line.kind === "event") this.#event(line.event, Math.min(line.event.at, line.at));
    else if (line.kind === "decided") this.#decided(line);
    else if (line.kind === "launched") this.#launchedLater(this.#life(line.job), line.at);
  };

  #event(event: ClusterEvent, at: Seconds): void {
    if (event.kind !== "stopped" && event.kind !== "finished" && event.kind !== "failed") return;
    const life = this.#life(event.job);
    this.#left(life, at);
    if (event.kind === "finished") this.#ends[life.index] = at;
  }

  #decided({ at, start }: DecisionLine): void {
    for (const line of start) {
      const life = this.#life(line.job);
      // Millions of lines are not kept any longer than somebody needs them.
      if (line.later) life.planned = line;
      else this.#launched(life, line, at);
    }
  }

  #launchedLater(life: Life, at: Seconds): void {
    const line = life.planned!;
    life.planned = undefined;
    this.#launched(life, line, at);
  }

  #launched(life: Life, { on, beside }: StartLine, at: Seconds): void {
    if (life.launches++ === 0) this.#starts[life.index] = at;
    life.places = on;
    life.gpus = gpusIn(on);
    if (beside.length === 0) return this.#open(life, at, 1);
    const mate = beside.map((id) => this.#life(id)).find(({ run }) => run !== undefined);
    if (mate === undefined) return this.#open(life, at, 1);
    const group = mate.group ?? new Set([mate]);
    for (const other of group) this.#close(other, at);
    group.add(life);
    for (const other of group) {
      other.group = group;
      this.#open(other, at, group.size);
    }
  }

  #left(life: Life, at: Seconds): void {
    if (life.run === undefined) return;
    const { group } = life;
    if (group === undefined) return this.#close(life, at);
    for (const mate of group) this.#close(mate, at);
    group.delete(life);
    life.group = undefined;
    for (const mate of group) this.#open(mate, at, group.size);
  }

  #open(life: Life, at: Seconds, sharers: number): void {
    life.run = this.#job.length;
    this.#job.push(life.index);
    this.#start.push(at);
    this.#end.push(at);
    this.#sharers.push(sharers);
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
    this.#held[life.index]! += ((at - this.#start.at(run)) * life.gpus) / this.#sharers.at(run);
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
      start: this.#starts,
      end: this.#ends,
      restarts: Uint32Array.from(this.#lives, ({ launches }) => Math.max(0, launches - 1)),
      held: this.#held,
      ...{ runJob: this.#job.done(), runStart: this.#start.done(), runEnd: this.#end.done() },
      ...{ runSharers: this.#sharers.done(), first: this.#first.done() },
      ...{ shareNode: this.#node.done(), shareGpus: this.#gpus.done() },
      coarseSeconds: 0,
    };
    return all.runJob.length <= runsMost ? all : joined(all, runsMost);
  }
}

/** For each run, how long its job had not run on those very GPUs; infinite where it last ran on others, or never. */
function pauses({ runJob, runStart, runEnd, first, shareNode, shareGpus, start }: ReportPolicy): Float64Array {
  const lastOf = new Int32Array(start.length).fill(-1);
  const samePlaces = (a: number, b: number): boolean => {
    const shares = first[a + 1]! - first[a]!;
    if (shares !== first[b + 1]! - first[b]!) return false;
    for (let i = 0; i < shares; i++) {
      const x = first[a]! + i;
      const y = first[b]! + i;
      if (shareNode[x] !== shareNode[y] || shareGpus[x] !== shareGpus[y]) return false;
    }
    return true;
  };
  const found = new Float64Array(runJob.length).fill(Number.POSITIVE_INFINITY);
  for (let run = 0; run < runJob.length; run++) {
    const job = runJob[run]!;
    const last = lastOf[job]!;
    if (last >= 0 && samePlaces(last, run)) found[run] = runStart[run]! - runEnd[last]!;
    lastOf[job] = run;
  }
  return found;
}

/** Runs of a job on the same GPUs as one, where so little time lies between them that at most `runsMost` are left, if that can be. */
function joined(policy: ReportPolicy, runsMost: number): ReportPolicy {
  const { runJob, runStart, runEnd, runSharers, first, shareNode, shareGpus } = policy;
  const pause = pauses(policy);
  const left = (gap: Seconds): number => {
    let n = 0;
    for (let run = 0; run < pause.length; run++) if (pause[run]! >= gap) n++;
    return n;
  };
  let gap = 60;
  while (left(gap) > runsMost && 4 * gap < 1e7) gap *= 4;
  const ends = runEnd.slice();
  const headOf = new Uint32Array(policy.start.length);
  const kept: number[] = [];
  const shares: number[] = [];
  const starts: number[] = [0];
  for (let run = 0; run < runJob.length; run++) {
    const job = runJob[run]!;
    if (pause[run]! < gap) {
      ends[headOf[job]!] = runEnd[run]!;
      continue;
    }
    headOf[job] = run;
    kept.push(run);
    for (let share = first[run]!; share < first[run + 1]!; share++) shares.push(share);
    starts.push(shares.length);
  }
  return {
    ...policy,
    runJob: Uint32Array.from(kept, (run) => runJob[run]!),
    runStart: Float64Array.from(kept, (run) => runStart[run]!),
    runEnd: Float64Array.from(kept, (run) => ends[run]!),
    runSharers: Uint32Array.from(kept, (run) => runSharers[run]!),
    first: Uint32Array.from(starts),
    shareNode: Uint32Array.from(shares, (share) => shareNode[share]!),
    shareGpus: Uint32Array.from(shares, (share) => shareGpus[share]!),
    coarseSeconds: gap,
  };
}
