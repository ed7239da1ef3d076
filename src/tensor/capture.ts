/**
 * Capture: how a function of tensors becomes something that is trained. Frameworks differ in it: they run the function and keep a
 * tape, trace it once and compile it, build a graph that a session runs, keep loops in that graph, or rewrite the function's source.
 *
 * The same model is given to each; what a model does beside operations on tensors, it asks `Control` for.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { captureIndex } from "./capture.index.ts";
import type { crossEntropy } from "./losses.ts";
import type { conv2d, maxPool2d } from "./products.ts";
import type { Tensor } from "./tensor.ts";

/** How often a loop runs: a number, or where loops are in the graph, i32 [1]. */
export type Count = number | Tensor;

export interface Control {
  /** The state after `count` times `body`, which is given the iteration's number, i32 [1]. */
  loop(count: Count, state: readonly Tensor[], body: LoopBody): readonly Tensor[];
  /** What `yes` gives where `condition`, f32 with one element, is not 0, else what `no` gives: of the same types. */
  choose(condition: Tensor, yes: () => readonly Tensor[], no: () => readonly Tensor[]): readonly Tensor[];
  readonly conv2d: typeof conv2d;
  readonly maxPool2d: typeof maxPool2d;
  readonly crossEntropy: typeof crossEntropy;
}
export type LoopBody = (i: Tensor, state: readonly Tensor[]) => readonly Tensor[];

export type Named = Readonly<Record<string, Tensor>>;
/** One batch: its arrays, and the numbers that shape what is computed from them. */
export interface Batch {
  readonly arrays: Named;
  readonly counts: Readonly<Record<string, number>>;
}
/** What a model is given of a batch: its arrays and its counts, under one another's names. */
export interface Input {
  readonly arrays: Named;
  readonly counts: Readonly<Record<string, Count>>;
}

/** The loss, one number. Its source is read by frameworks that rewrite it: it uses its arguments alone. */
export type Model = (control: Control, parameters: Named, batch: Input) => Tensor;

export interface Gradients {
  readonly loss: Tensor;
  readonly gradients: Named;
}

export interface Captured {
  run(parameters: Named, batch: Batch): Gradients | Promise<Gradients>;
  /** Objects that were kept, while the last run computed, so that it could be differentiated. */
  readonly records: number;
}

export interface Capture {
  capture(model: Model): Captured;
  /** Of workers that each compute a gradient of one step, how many a step waits for. */
  quorum(workers: number): number;
}

export const captures = slot<Capture>("tensor/capture", captureIndex);

/** Types an entry, and returns it unchanged. */
export const capture = <const O extends Options>(entry: Entry<Capture, O>): Entry<Capture, O> => entry;
