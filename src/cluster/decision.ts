/**
 * What the policies of a cluster see and answer. One decision is made by four slots, in this order:
 *
 *     scaling: how many GPUs each ──► scheduling: who runs, who stops ──► sharing: who runs together ──► placement: where
 *
 * A policy may keep what it computed between decisions (queues, leases, a heap), but only from views: shown the same views, it
 * decides the same. So a journal of events is all that a restarted scheduler needs, and a log replayed in virtual time is a test.
 */
import type { Seconds } from "../time/clock.ts";
import type { JobId, JobView } from "./job.ts";
import type { JobOrder } from "./job-order.ts";
import type { NodesView, Share } from "./node.ts";

export interface ClusterView {
  readonly now: Seconds;
  readonly nodes: NodesView;
  /** Jobs that wait, in the order in which they began to; those that scaling gives nothing are left out. */
  readonly waiting: Iterable<JobView>;
  readonly waitingCount: number;
  /** Jobs that hold GPUs, in the order of their starts. */
  readonly running: Iterable<JobView>;
  readonly runningCount: number;
  /** Submitted since the last decision. */
  readonly arrived: readonly JobView[];
  /** Finished, failed or rejected since the last decision. */
  readonly ended: readonly JobView[];
  /**
   * Waiting again since the last decision: stopped, evicted, their run failed or its node was lost; or chosen to start then, and not
   * started. With `arrived` and `ended`, what a policy needs that keeps an index of who waits.
   */
  readonly requeued: readonly JobView[];
  /** Whether scaling gave any job another size than it has or asked for: an index by `gpus` is not valid then. */
  readonly sized: boolean;
  job(id: JobId): JobView;
  /** Seconds between decisions, where the engine decides in rounds. */
  readonly round?: Seconds;
}

export interface Start {
  readonly job: JobId;
  /** How many; `JobView.gpus` where it is absent. */
  readonly gpus?: number;
  /** Type of node, where the policy chooses it. */
  readonly type?: string;
  /** Where, if the policy has chosen that too; placement is not asked then. */
  readonly on?: readonly Share[];
  /** On the very GPUs of this job, which runs or starts earlier in the same decision. */
  readonly beside?: JobId;
}

/** What became of an offer: who got its GPUs may have made others leave theirs. */
export type Offered = "placed" | "evicted" | "unplaced";

/**
 * Changes to what runs: whoever is in neither list goes on as before. A job in both is moved: it stops, and starts again elsewhere or
 * with another size. Starts are carried out in order, after all stops; one that cannot be placed goes on waiting, and so, with
 * `strict`, do all after it.
 */
export interface Decision {
  readonly stop: readonly JobId[];
  readonly start: readonly Start[];
  /** Will never run here (admission control). */
  readonly reject?: readonly JobId[];
  readonly strict?: boolean;
  /** All jobs that could run, first first, by a policy that ranks them: sharing may take others than those that fit. */
  readonly order?: JobOrder;
  /**
   * Asked for one more start after all others, until it has none, and told what became of the last: for policies that leave it to
   * placement who fits, and need not offer what is sure to fail. Not asked where sharing answers otherwise than scheduling did.
   */
  offer?(last: Offered | undefined): Start | undefined;
  /** Decide again at this time, though nothing may have happened by then. */
  readonly wake?: Seconds;
}

export const nothing: Decision = { stop: [], start: [] };

/** Who runs once the decision has been carried out. */
export function runningAfter(view: ClusterView, { stop, start }: Decision): ReadonlySet<JobId> {
  const runs = new Set([...view.running].map(({ spec }) => spec.id));
  for (const id of stop) runs.delete(id);
  for (const { job } of start) runs.add(job);
  return runs;
}
