/** What scaling's sizes mean for a decision: who is left out of it, and who must be moved because of its new size. */
import type { Decision, Start } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import type { JobRecord } from "./job-record.ts";
import { gpusIn, type Share } from "./node.ts";
import type { Size } from "./scaling.ts";

export interface Counted<T> extends Iterable<T> {
  readonly size: number;
}

/** The jobs that scaling gives something. */
export function without(jobs: Counted<JobRecord>, sizes: ReadonlyMap<JobId, Size>): Counted<JobRecord> {
  if (sizes.size === 0) return jobs;
  const some = [...jobs].filter(({ spec }) => sizes.get(spec.id)?.gpus !== 0);
  return some.length === jobs.size ? jobs : { size: some.length, [Symbol.iterator]: () => some[Symbol.iterator]() };
}

/**
 * The decision, with the running jobs stopped that get nothing, and those moved that get another size or other places, where
 * scheduling has not done so itself.
 */
export function resized(
  decision: Decision,
  job: (id: JobId) => JobView,
  sizes: ReadonlyMap<JobId, Size>,
  rejected: ReadonlySet<JobId>,
): Decision {
  if (sizes.size === 0) return decision;
  const named = new Set([...decision.stop, ...decision.start.map((start) => start.job)]);
  // Scheduling that names places has left the others where they are for a reason.
  const arranged = decision.start.some((wish) => wish.on !== undefined);
  const stop: JobId[] = [];
  const move: Start[] = [];
  for (const [id, { gpus, on }] of sizes) {
    const { places } = job(id);
    if (places.length === 0 || named.has(id) || rejected.has(id)) continue;
    if (gpus === gpusIn(places) && (on === undefined || arranged || samePlaces(on, places))) continue;
    stop.push(id);
    if (gpus > 0) move.push({ job: id });
  }
  // A policy that keeps an index of its own may choose jobs that the view leaves out.
  const isGiven = (id: JobId): boolean => sizes.get(id)?.gpus !== 0;
  const start = decision.start.filter((wish) => isGiven(wish.job));
  const { order } = decision;
  return {
    ...decision,
    stop: [...decision.stop, ...stop],
    start: [...move, ...start],
    ...(order !== undefined && { order: order.filter(isGiven) }),
  };
}

/** The decision, with the running jobs stopped that get nothing: sharing, which answers for the jobs it sees, does not see these. */
export function emptied(
  decision: Decision,
  job: (id: JobId) => JobView,
  sizes: ReadonlyMap<JobId, Size>,
  rejected: ReadonlySet<JobId>,
): Decision {
  const named = new Set(decision.stop);
  const stop: JobId[] = [];
  for (const [id, { gpus }] of sizes) {
    if (gpus === 0 && job(id).places.length > 0 && !named.has(id) && !rejected.has(id)) stop.push(id);
  }
  return stop.length === 0 ? decision : { ...decision, stop: [...decision.stop, ...stop] };
}

const samePlaces = (a: readonly Share[], b: readonly Share[]): boolean =>
  a.length === b.length &&
  a.every(({ node, gpus, devices }) =>
    b.some((share) => share.node === node && share.gpus === gpus && String(share.devices) === String(devices)),
  );
