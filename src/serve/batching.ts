/**
 * Batching: which requests the next forward pass computes, and how many tokens of each.
 *
 * There is no prefill phase and no decode phase here. A grant of many tokens is a prefill, of one a decode, and of some a
 * chunk. A grant is a wish in order of preference: the cache may refuse a waiting request, and with it all later ones.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Seconds } from "../time/clock.ts";
import { batchingIndex } from "./batching.index.ts";
import type { RequestView } from "./request.ts";

/** What one pass can hold. */
export interface PassLimits {
  readonly tokens: number;
  readonly sequences: number;
}

export interface BatchView {
  readonly now: Seconds;
  /** Not in the cache, oldest first: new, or preempted. */
  readonly waiting: readonly RequestView[];
  /** Admitted and unfinished, oldest first. */
  readonly running: readonly RequestView[];
  readonly limits: PassLimits;
}

export interface Grant {
  readonly request: number;
  /** At most this many; a prefix found in the cache makes it fewer. Between 1 and the request's `work`. */
  readonly tokens: number;
}

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Batching {
  /** The next pass, within the limits; empty to wait for the next event. */
  next(view: BatchView): readonly Grant[];
}

export const batchings = slot<Batching>("serve/batching", batchingIndex);

/** Types an entry, and returns it unchanged. */
export const batching = <const O extends Options>(entry: Entry<Batching, O>): Entry<Batching, O> => entry;

/** Grants whole requests in the order given, until `sequencesMax` or the limits of a pass are reached. */
export function grantWhole(requests: readonly RequestView[], sequencesMax: number, limits: PassLimits): Grant[] {
  const grants: Grant[] = [];
  let tokens = limits.tokens;
  let sequences = Math.min(sequencesMax, limits.sequences);
  for (const request of requests) {
    // A prompt that no single pass can hold is the one thing that is cut: it takes what the pass has left.
    const wanted = request.work > limits.tokens ? tokens : request.work;
    if (wanted > tokens || (request.sequences > sequences && grants.length > 0)) break;
    grants.push({ request: request.id, tokens: wanted });
    tokens -= wanted;
    sequences -= Math.min(sequences, request.sequences);
    if (tokens === 0 || sequences === 0) break;
  }
  return grants;
}
