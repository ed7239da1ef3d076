/**
 * From jobs that are to run, each on GPUs of its own, to what must stop and start: what `regroup` does for groups of one, at the cost
 * of those who start. Who goes on is looked at and no more, unless somebody has to move.
 */
import { Bins } from "./bins.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { makeRoom } from "./make-room.ts";
import { allows, gpusIn, isSame, type Share } from "./node.ts";

/** Where a job is to run. */
interface Seat {
  readonly job: JobView;
  on: readonly Share[];
  /** It is there already. */
  stays: boolean;
  /** Any places will do that placement finds. */
  anywhere: boolean;
}

interface Seating {
  /** Who stays where it is and has no seat. */
  readonly staying: JobView[];
  readonly seats: readonly Seat[];
}

/**
 * Runs these jobs and nothing else, largest first where room is scarce. One that fits nowhere is left out. `gently`: see `Regrouping`.
 * `strict` and `order` of the decision are not set.
 */
export function regroupAlone(view: ClusterView, jobs: readonly JobView[], gently = false): Decision {
  const sorted = largestFirst(jobs, gpusOf);
  const { staying, seats } = beside(view, sorted, gently) ?? anew(view, sorted);
  const start: Start[] = [];
  for (const { job, on, stays, anywhere } of seats) {
    if (stays) staying.push(job);
    else if (!anywhere) start.push({ job: job.spec.id, on });
  }
  // Named places are taken before placement looks for others.
  for (const { job, anywhere } of seats) if (anywhere) start.push({ job: job.spec.id });
  return { stop: staying.length === view.runningCount ? [] : othersThan(new Set(staying), view), start };
}

const gpusOf = ({ gpus }: JobView): number => gpus;

/** Of those that run, all but these. */
export function othersThan(staying: ReadonlySet<JobView>, { running }: ClusterView): readonly JobId[] {
  const stop: JobId[] = [];
  for (const job of running) if (!staying.has(job)) stop.push(job.spec.id);
  return stop;
}

/** Items of one size stay in their order. */
export function largestFirst<T>(items: readonly T[], sizeOf: (item: T) => number): readonly T[] {
  const counts = new Map<number, number>();
  for (const item of items) {
    const size = sizeOf(item);
    counts.set(size, (counts.get(size) ?? 0) + 1);
  }
  if (counts.size === 1) return items;
  // Where the next of each size goes.
  const next = new Map<number, number>();
  let from = 0;
  for (const size of [...counts.keys()].sort((a, b) => b - a)) {
    next.set(size, from);
    from += counts.get(size)!;
  }
  const sorted = items.slice();
  for (const item of items) {
    const size = sizeOf(item);
    const at = next.get(size)!;
    sorted[at] = item;
    next.set(size, at + 1);
  }
  return sorted;
}

/** Leaves every job where it is; undefined where the others find no room then. */
function beside(view: ClusterView, jobs: readonly JobView[], gently: boolean): Seating | undefined {
  const bins = new Bins(view.nodes);
  const staying: JobView[] = [];
  const homeless: JobView[] = [];
  let claimed: Set<JobView> | undefined;
  for (const job of jobs) {
    const { places } = job;
    if (!isWhole(job) || claimed?.has(job) || !bins.hold(places)) {
      homeless.push(job);
      continue;
    }
    staying.push(job);
    claimed = claim(view, job, claimed);
  }
  let seats: Seat[] = [];
  for (const job of homeless) {
    const { gpus, spec } = job;
    const on = bins.take(gpus, spec.types);
    if (on !== undefined) {
      seats.push({ job, on, stays: false, anywhere: gently });
      continue;
    }
    if (!gently) return undefined;
    if (staying.length > 0) {
      seats = [...staying.map((one) => ({ job: one, on: one.places, stays: true, anywhere: false })), ...seats];
      staying.length = 0;
    }
    const made = makeRoom(view.nodes, bins, seats, gpus, spec.types, canMove);
    if (made === undefined) return undefined;
    for (const seat of made.moved) [seat.stays, seat.anywhere] = [false, false];
    seats.push({ job, on: made.on, stays: false, anywhere: false });
  }
  return { staying, seats };
}

/** Packs everything from an empty cluster; a job stays only where it happens to be put where it is. */
function anew(view: ClusterView, jobs: readonly JobView[]): Seating {
  const bins = new Bins(view.nodes);
  let claimed: Set<JobView> | undefined;
  const seats: Seat[] = [];
  for (const job of jobs) {
    const on = bins.take(job.gpus, job.spec.types);
    if (on === undefined) continue;
    const stays = isWhole(job) && !claimed?.has(job) && isSame(job.places, on);
    if (stays) claimed = claim(view, job, claimed);
    seats.push({ job, on, stays, anywhere: false });
  }
  return { staying: [], seats };
}

/** Whether it runs on as many GPUs as it is to have. */
const isWhole = ({ places, gpus }: JobView): boolean => places.length > 0 && gpusIn(places) === gpus;

const canMove = ({ job }: Seat, type: string): boolean => allows(job.spec.types, type);

/** Nobody who shares these GPUs with the job stays on them with others; undefined as long as nobody shares any. */
export function claim(view: ClusterView, job: JobView, claimed: Set<JobView> | undefined): Set<JobView> | undefined {
  const { beside: mates } = job;
  if (mates.length === 0) return claimed;
  const all = claimed ?? new Set();
  for (const id of mates) all.add(view.job(id));
  return all.add(job);
}
