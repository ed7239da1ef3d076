/**
 * Offload: which tensors leave the device's memory (to the host, or into fewer bytes where they are), and when they come back.
 *
 * A policy is asked before each step. What earlier steps measured is part of what it sees, so that it may plan from it.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Drop, MemoryPlan, MemoryView, StepRecord } from "./memory.ts";
import { offloadIndex } from "./offload.index.ts";

export interface OffloadView extends MemoryView {
  /** What rematerialisation decided already. */
  readonly drops: readonly Drop[];
  /** What earlier steps did, the last at the end. */
  readonly records: readonly StepRecord[];
}

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Offload {
  /** The drops of the view are part of the answer, unless the policy has better ones. */
  plan(view: OffloadView): MemoryPlan;
}

export const offloads = slot<Offload>("train/offload", offloadIndex);

/** Types an entry, and returns it unchanged. */
export const offload = <const O extends Options>(entry: Entry<Offload, O>): Entry<Offload, O> => entry;
