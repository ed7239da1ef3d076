/**
 * Rewriting the graph as it was captured: which equal graph is compiled, before the transforms that every program needs.
 *
 *     captured graph ──► pass (one of this slot) ──► transforms ──► calls of kernels
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { passIndex } from "./pass.index.ts";
import type { Pass } from "./transform.ts";

export type { Pass } from "./transform.ts";

export const optionalPasses = slot<Pass>("compile/pass", passIndex);

/** Types an entry, and returns it unchanged. */
export const pass = <const O extends Options>(entry: Entry<Pass, O>): Entry<Pass, O> => entry;
