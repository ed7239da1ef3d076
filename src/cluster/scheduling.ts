/** Scheduling: who runs now, and who stops for it. */

import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { ClusterView, Decision } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { type JobOrder, Kinds } from "./job-order.ts";
import { gpusIn } from "./node.ts";
import { schedulingIndex } from "./scheduling.index.ts";

export interface Scheduling {
  /** Jobs that it puts on the same GPUs, where those are more than one: sharing has to allow as many. */
  readonly together?: number;
  /** GPU-seconds of service at which a job that runs changes its queue. */
  readonly falls?: readonly number[];
  /** Called before the first decision with the GPU-seconds that jobs of an older trace took, where the user named one. */
  learn?(services: readonly number[]): void;
  /** Who had GPUs to take turns on from when it came, and waits for its turn, as of the last decision. */
  turnsAwaited?(): readonly JobId[];
  decide(view: ClusterView): Decision;
}

export const schedulings = slot<Scheduling>("cluster/scheduling", schedulingIndex);

/** Types an entry, and returns it unchanged. */
export const scheduling = <const O extends Options>(entry: Entry<Scheduling, O>): Entry<Scheduling, O> => entry;

/**
 * Runs the first jobs of `order` that fit into the GPUs of the cluster together, and stops all others: what a preemptive policy
 * decides that ranks every job at every decision. A job that does not fit is passed over. Jobs that go on with the size they have
 * keep their places.
 */
export function runFirst(view: ClusterView, order: JobOrder): Decision {
  let free = view.nodes.total();
  const full = new Kinds();
  const keep = new Set<JobView>();
  const start: { job: string }[] = [];
  const resized: string[] = [];
  for (const job of order.without(full)) {
    if (job.gpus > free) {
      full.add(job);
      continue;
    }
    free -= job.gpus;
    if (job.places.length === 0) start.push({ job: job.spec.id });
    else {
      keep.add(job);
      if (gpusIn(job.places) === job.gpus) continue;
      resized.push(job.spec.id);
      start.push({ job: job.spec.id });
    }
  }
  const stop: string[] = [];
  for (const job of view.running) if (!keep.has(job)) stop.push(job.spec.id);
  return { stop: [...stop, ...resized], start };
}

/**
 * The view without those who run and go on with the size they have, where all fit together: whoever comes first, nothing happens to
 * these, and they need not be ranked.
 */
export function changing(view: ClusterView): ClusterView {
  if (!view.sized) return view;
  let needed = 0;
  const running: JobView[] = [];
  for (const job of view.running) {
    needed += job.gpus;
    if (gpusIn(job.places) !== job.gpus) running.push(job);
  }
  for (const job of view.waiting) needed += job.gpus;
  return needed > view.nodes.total() ? view : { ...view, running, runningCount: running.length };
}

/**
 * Starts waiting jobs in the order given while they fit beside what runs, and stops nobody. With `strict`, the first that does not
 * fit holds back all later ones.
 */
export function startFirst(view: ClusterView, order: Iterable<JobView>, strict: boolean): Decision {
  let free = freeAfter(view);
  const start: { job: string }[] = [];
  for (const job of order) {
    if (free <= 0) break;
    if (job.gpus <= free) {
      free -= job.gpus;
      start.push({ job: job.spec.id });
    } else if (strict) break;
  }
  return { stop: [], start, strict };
}

/** GPUs that are free when all who run have the sizes that scaling gives them. */
function freeAfter({ sized, nodes, running }: ClusterView): number {
  if (!sized) return nodes.freeTotal();
  let free = nodes.total();
  // Of those that share their GPUs one counts.
  for (const { spec, beside, gpus } of running) if (beside.every((id) => spec.id < id)) free -= gpus;
  return free;
}
