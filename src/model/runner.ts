/**
 * A model that runs: a compiled graph, its weights and its key-value cache on a device.
 *
 * The cache is `blocks` blocks of `blockSize` positions, all layers of them; who owns which block is for the caller to
 * decide. A step is one asynchronous native call; steps of one runner do not overlap.
 */
export interface StepSequence {
  /** The tokens to compute, at positions `start`, `start + 1`, … of their sequence. */
  readonly tokens: ArrayLike<number>;
  readonly start: number;
  /** Block table: position p lives in `blocks[floor(p / blockSize)]`. Covers every position up to the last token's. */
  readonly blocks: ArrayLike<number>;
  /** How many of the last tokens' output rows are wanted: 0 for a chunk in mid-prompt, 1 to sample, k + 1 to verify k. */
  readonly outputs: number;
  /** For `Row.sums`; default 1. */
  readonly temperature?: number;
  /** Name of an adapter that the runner was loaded with; default none. */
  readonly adapter?: string;
}

/** One output row. The arrays are views of device memory, valid (and writable) until the next step begins. */
export interface Row {
  /** [V] */
  readonly logits: Float32Array;
  /** Maximum of each run of `maximaBlock` logits. */
  readonly maxima: Float32Array;
  /** Sum over each run of exp((logit - max) / temperature), `max` the row's largest logit. */
  readonly sums: Float32Array;
}

export const maximaBlock = 256;

export interface StepResult {
  /** In the order of the sequences, each sequence's rows in order of position. */
  readonly rows: readonly Row[];
}

export interface Runner {
  readonly blockSize: number;
  /** Capacity of the cache. */
  readonly blocks: number;
  readonly vocabulary: number;
  readonly width: number;
  /** Most positions of one sequence. */
  readonly context: number;
  /** Most tokens, output rows and sequences in one step. */
  readonly tokensMax: number;
  readonly rowsMax: number;
  readonly sequencesMax: number;
  /** Bytes of one cache block, all layers of keys and values. */
  readonly blockBytes: number;
  step(sequences: readonly StepSequence[]): Promise<StepResult>;
  /** The final norm's output averaged over the tokens of one sequence, [D]; uses the given blocks as scratch. */
  embed(tokens: ArrayLike<number>, blocks: ArrayLike<number>): Promise<Float32Array>;
  /** Copies one cache block onto another, between steps. */
  copyBlock(from: number, to: number): void;
  /** Reads and writes one cache block, `blockBytes` long, between steps: how blocks are swapped. */
  readBlock(block: number, into: Uint8Array): void;
  writeBlock(block: number, from: Uint8Array): void;
  close(): Promise<void>;
}
