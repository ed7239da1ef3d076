/**
 * One optimizer step, as the engine sees it: arrays that it goes on from, and a run over one batch.
 *
 * A step is a pure function of its state, its batch and its number, bit for bit: resumption relies on it. A step whose loss or
 * whose gradient is not finite leaves the state as it was, so that what is kept is always good.
 */

/** One array that a step updates; the names of all, in their order, are part of a checkpoint. */
export interface StateArray {
  readonly type: "F32" | "BF16" | "I32";
  readonly shape: readonly number[];
  /** The live bytes, dense and row-major: read between steps to save them, written before the first to restore them. */
  bytes(): Uint8Array;
}

/** `loss`, `gradientNorm` where it is known, and whatever else is worth a column: plain numbers, by name. */
export interface StepMetrics {
  readonly loss: number;
  readonly gradientNorm?: number;
  readonly learningRate?: number;
  readonly [name: string]: number | undefined;
}

/** Where a number that is not finite came up first. */
export interface NonFinite {
  /** For example `gradient of layer.2.feedForward.up`. */
  readonly what: string;
  readonly index: number;
  readonly value: number;
}

export interface Step<Batch> {
  readonly state: ReadonlyMap<string, StateArray>;
  /** Optimizer step `number`, from 1 on. Random draws are a function of it and a seed that the step holds. */
  run(batch: Batch, number: number): Promise<StepMetrics>;
  /** The mean loss over a batch, changing nothing. */
  evaluate?(batch: Batch): Promise<number>;
  /** Repeats a step that was not finite, changing nothing, and says where that began, in the order of computation. */
  locate?(batch: Batch, number: number): Promise<NonFinite | undefined>;
  close(): Promise<void>;
}

/** Batches in a fixed order, from where they were left. */
export interface BatchSource<Batch> {
  /** `undefined` where the data have ended. */
  next(): Promise<Batch | undefined>;
  /** Batches given so far, over the whole training: opening at this position goes on with the next one. */
  readonly position: number;
  close(): Promise<void>;
}

/** The first element of f32 `values` that is not finite. */
export function firstNonFinite(what: string, values: Float32Array): NonFinite | undefined {
  const index = values.findIndex((x) => !Number.isFinite(x));
  return index === -1 ? undefined : { what, index, value: values[index]! };
}
