/** What scaling's sizes mean for a decision: who is left out of it, and who must be moved because of its new size. */
import type { Decision, Start } from "./decision.ts";
import type { JobId } from "./job.ts";
import { only } from "./job-order.ts";
import type { JobRecord, Sizes } from "./job-record.ts";
import { gpusIn, type Share } from "./node.ts";
import type { Size } from "./scaling.ts";

export interface Counted<T> extends Iterable<T> {
  readonly size: number;
}

/** What a decision is brought in line with. */
interface Resizing {
  readonly sizes: Sizes;
  readonly running: Iterable<JobRecord>;
  readonly gone: ReadonlySet<JobId>;
  job(id: JobId): JobRecord;
}

/** Who asks for no GPUs has all of them. */
const isNothing = ({ gpus }: Size, { spec }: JobRecord): boolean => gpus === 0 && spec.gpus > 0;

const gives = ({ named, unnamed }: Sizes, job: JobRecord, runs: boolean): boolean => {
  const size = named.get(job.spec.id);
  return size === undefined ? unnamed === "kept" || (unnamed === "held" && runs) : !isNothing(size, job);
};

/** Of the jobs that run, or that wait, those that scaling gives something. Where it need not name them, they are not looked at. */
export function given(
  jobs: Counted<JobRecord>,
  sizes: Sizes,
  job: (id: JobId) => JobRecord,
  runs: boolean,
): Counted<JobRecord> {
  const { named, unnamed } = sizes;
  if (unnamed === "held" && runs && !takesAll(sizes, job)) return jobs;
  const few = (unnamed === "nothing" || (unnamed === "held" && !runs)) && named.size < jobs.size;
  const some = few ? listed(jobs, sizes, job) : [...jobs].filter((one) => gives(sizes, one, runs));
  return some.length === jobs.size ? jobs : { size: some.length, [Symbol.iterator]: () => some[Symbol.iterator]() };
}

/** Whether somebody that runs gets nothing. */
function takesAll({ named }: Sizes, job: (id: JobId) => JobRecord): boolean {
  for (const [id, { gpus }] of named) if (gpus === 0 && job(id).held > 0) return true;
  return false;
}

/** Those on the list that are named and get something, in its order. */
function listed(jobs: Counted<JobRecord>, { named }: Sizes, job: (id: JobId) => JobRecord): JobRecord[] {
  const some: JobRecord[] = [];
  for (const [id, size] of named) {
    const one = job(id);
    if (one.list === jobs && !isNothing(size, one)) some.push(one);
  }
  return some.sort((a, b) => a.turn - b.turn);
}

/**
 * The decision, with the running jobs stopped that get nothing, and those moved that get another size or other places, where
 * scheduling has not done so itself.
 */
export function resized(decision: Decision, { sizes, running, gone, job }: Resizing): Decision {
  const named = new Set([...decision.stop, ...decision.start.map((start) => start.job)]);
  // Scheduling that names places has left the others where they are for a reason.
  const arranged = decision.start.some((wish) => wish.on !== undefined);
  const stop: JobId[] = [];
  const move: Start[] = [];
  for (const [id, { gpus, on }] of sizes.named) {
    const { places } = job(id);
    if (places.length === 0 || named.has(id) || gone.has(id)) continue;
    if (gpus === gpusIn(places) && (on === undefined || arranged || samePlaces(on, places))) continue;
    stop.push(id);
    if (gpus > 0) move.push({ job: id });
  }
  for (const id of forgotten(sizes, running)) if (!named.has(id)) stop.push(id);
  // A policy that keeps an index of its own may choose jobs that the view leaves out.
  const getsAny = (one: JobRecord): boolean => gives(sizes, one, one.held > 0);
  const start = decision.start.filter((wish) => getsAny(job(wish.job)));
  const { order } = decision;
  return {
    ...decision,
    stop: [...decision.stop, ...stop],
    start: [...move, ...start],
    ...(order !== undefined && { order: only(order, ({ spec }) => getsAny(job(spec.id))) }),
  };
}

/** The decision, with the running jobs stopped that get nothing: sharing, which answers for the jobs it sees, does not see these. */
export function emptied(decision: Decision, { sizes, running, gone, job }: Resizing): Decision {
  const stopped = new Set(decision.stop);
  const stop: JobId[] = [];
  for (const [id, size] of sizes.named) {
    const one = job(id);
    if (isNothing(size, one) && one.places.length > 0 && !stopped.has(id) && !gone.has(id)) stop.push(id);
  }
  for (const id of forgotten(sizes, running)) if (!stopped.has(id)) stop.push(id);
  return stop.length === 0 ? decision : { ...decision, stop: [...decision.stop, ...stop] };
}

/** Who runs, is not named, and so gets nothing. */
function* forgotten({ named, unnamed }: Sizes, running: Iterable<JobRecord>): Iterable<JobId> {
  if (unnamed !== "nothing") return;
  for (const { spec } of running) if (!named.has(spec.id)) yield spec.id;
}

const samePlaces = (a: readonly Share[], b: readonly Share[]): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every(({ node, gpus, devices }) =>
      b.some((share) => share.node === node && share.gpus === gpus && String(share.devices) === String(devices)),
    ));
