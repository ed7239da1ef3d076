/**
 * Rematerialisation: which tensors of the forward part are not kept for the backward part, but computed again.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Drop, MemoryView } from "./memory.ts";
import { rematIndex } from "./remat.index.ts";

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Remat {
  drops(view: MemoryView): readonly Drop[];
}

export const remats = slot<Remat>("train/remat", rematIndex);

/** Types an entry, and returns it unchanged. */
export const remat = <const O extends Options>(entry: Entry<Remat, O>): Entry<Remat, O> => entry;
