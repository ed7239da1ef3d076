/**
 * Speculation: how many tokens each decoding sequence may guess ahead, to be verified in the same pass.
 *
 * Who guesses is the executor's: a draft model where it was given one, else a look-up of the last tokens in what was read
 * and written before. What is accepted never changes the distribution of the output.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { speculationIndex } from "./speculation.index.ts";

export interface DraftView {
  readonly request: number;
  readonly choice: number;
  /** Tokens it may still produce, at least 1; more drafts than this less one are of no use. */
  readonly tokensLeft: number;
  /** Guessed and accepted so far. */
  readonly proposed: number;
  readonly accepted: number;
}

export interface SpeculationView {
  /** The decoding sequences of the next pass, in its order. */
  readonly sequences: readonly DraftView[];
  /** Tokens and rows that the pass has left. */
  readonly tokensLeft: number;
}

export interface Speculation {
  /** The most drafts for each sequence of the view. Their sum is at most `tokensLeft`. */
  drafts(view: SpeculationView): readonly number[];
  /** Look-ups match this many last tokens, the longest match first. `undefined`: nothing is ever proposed. */
  readonly lookup: { readonly longest: number; readonly shortest: number } | undefined;
}

export const speculations = slot<Speculation>("serve/speculation", speculationIndex);

/** Types an entry, and returns it unchanged. */
export const speculation = <const O extends Options>(entry: Entry<Speculation, O>): Entry<Speculation, O> => entry;
