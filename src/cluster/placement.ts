/** Placement: which GPUs of which nodes a job gets. */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { JobId, JobView } from "./job.ts";
import type { NodesView, Share } from "./node.ts";
import { placementIndex } from "./placement.index.ts";

export interface Place {
  readonly on: readonly Share[];
  /** Running jobs that lose their GPUs for it; the engine stops them first. */
  readonly evict?: readonly JobId[];
}

export interface Placement {
  /** Places for `gpus` GPUs of the job, on nodes of `type` where it is given; `undefined` where there are none now. */
  place(job: JobView, gpus: number, nodes: NodesView, type?: string): Place | undefined;
  /** Told when a job has left its GPUs, by policies that keep a map of their own (cells, buddies). */
  freed?(job: JobId, places: readonly Share[]): void;
}

export const placements = slot<Placement>("cluster/placement", placementIndex);

/** Types an entry, and returns it unchanged. */
export const placement = <const O extends Options>(entry: Entry<Placement, O>): Entry<Placement, O> => entry;
