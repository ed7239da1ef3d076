/** Scaling: how many GPUs each job is given now. Asked before scheduling, which sees the answer as `JobView.gpus`. */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Seconds } from "../time/clock.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { gpusIn, type Share } from "./node.ts";
import { scalingIndex } from "./scaling.index.ts";

export interface Size {
  readonly gpus: number;
  /** Where, by a technique that searches over places too (Pollux): then placement is not asked. */
  readonly on?: readonly Share[];
}

export interface Scaling {
  /**
   * Sizes by job; 0 GPUs to give it nothing now. A running job whose size or places differ from what it has is stopped and started
   * again.
   */
  sizes(view: ClusterView): ReadonlyMap<JobId, Size>;
  /**
   * What a job gets that `sizes` does not name: nothing, so that a decision costs no more where many wait; what it holds now, so that
   * one costs no more where many run; where this is absent, it keeps what it has, or gets what it asked for.
   */
  readonly unnamed?: "nothing" | "held";
  /** When to decide again, though nothing may have happened by then; asked after `sizes`. */
  wake?(): Seconds | undefined;
  /** Jobs that will never be run (admission control), asked after `sizes`. */
  rejected?(): readonly JobId[];
  /** When it planned a job to end, as of its last decision. */
  plannedEnd?(job: JobId): PlannedEnd | undefined;
  /** Jobs choose their own batch sizes under it, and tell their goodput; else they keep those that their users gave. */
  readonly adaptsBatch?: boolean;
}

/** Where time is cut into slots, a job ends its work in the last slot that it holds GPUs in. */
export interface PlannedEnd {
  readonly work: Seconds;
  readonly slot: Seconds;
}

/** Whether a job holds just so many GPUs, so that a policy need not name it whose unnamed jobs go on as they are. */
export const holds = ({ places, gpus: held }: JobView, gpus: number): boolean =>
  gpus === 0 ? places.length === 0 : held === gpus && gpusIn(places) === gpus;

export const scalings = slot<Scaling>("cluster/scaling", scalingIndex);

/** Types an entry, and returns it unchanged. */
export const scaling = <const O extends Options>(entry: Entry<Scaling, O>): Entry<Scaling, O> => entry;
