/**
 * The port through which the serving engine runs passes: on a model, on a cost model, or from a recording. A pass is plain
 * data; tokens and text are the executor's alone.
 */

/** One sequence's part of a pass. */
export interface SequencePass {
  readonly request: number;
  readonly choice: number;
  /** Position of the first token to compute, and how many. */
  readonly start: number;
  readonly tokens: number;
  readonly table: readonly number[];
  /** Choices that get their next token from the last row: none in mid-prompt, all of them when a shared prompt ends. */
  readonly sample: readonly number[];
  /** At most so many guesses are verified with it. */
  readonly drafts: number;
}

export interface Pass {
  /** Done in this order, before the sequences run. */
  readonly swapOut: readonly { readonly block: number; readonly slot: number }[];
  readonly swapIn: readonly { readonly slot: number; readonly block: number }[];
  readonly copies: readonly { readonly from: number; readonly to: number }[];
  readonly sequences: readonly SequencePass[];
}

/** What became of one sampled choice. */
export interface Produced {
  readonly request: number;
  readonly choice: number;
  /** Tokens it got: 1 and the drafts accepted; fewer where one of them ended it. */
  readonly tokens: number;
  readonly drafted: number;
  readonly ended: boolean;
}

export interface Executor {
  /** Calls `done` once, with one entry for each sampled choice. */
  start(pass: Pass, done: (produced: readonly Produced[]) => void): void;
  /** The request has ended or was cancelled: nothing of it will run again. */
  forget(request: number): void;
}
