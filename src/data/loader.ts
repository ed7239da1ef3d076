/**
 * Loader: who makes batches, when, and how many at a time. It never changes what is in a batch nor their order.
 *
 * A policy answers twice: how the functions of a pipeline are put into stages, before anything runs; and, from then on again and
 * again, how many tasks of each stage run at once and how far they run ahead of the one that takes the batches.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { loaderIndex } from "./loader.index.ts";
import type { DataOp } from "./pipeline.ts";

/** Functions that one task applies one after the other. */
export interface Stage {
  readonly maps: readonly string[];
  /** What a task makes: one record, or all records of a batch, in one go. Records are never made of batches. */
  readonly grain: "record" | "batch";
  /** Results are kept by record, as far as memory allows, and not made again. Of records only. */
  readonly cached: boolean;
}

export interface StageView {
  /** What its tasks take for a batch, added up: measured. */
  readonly seconds: number;
  readonly tasksPerBatch: number;
  readonly bytesPerBatch: number;
}

export interface LoaderView {
  readonly stages: readonly StageView[];
  /** Between a batch being taken and the next being asked for: measured. */
  readonly consumerSeconds: number;
  /** To hand a task to a worker and its result back: measured. */
  readonly dispatchSeconds: number;
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface Setting {
  /** Tasks at once on workers. 0 makes a batch when it is asked for, in the thread that asks. */
  readonly parallelism: number;
  /** Batches that are being made or wait to be taken, at most. At least 1. */
  readonly buffer: number;
}

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Loader {
  stages(ops: readonly DataOp[]): readonly Stage[];
  /** A setting for each stage; `view` is `undefined` before anything was measured. */
  settings(stages: readonly Stage[], view: LoaderView | undefined): readonly Setting[];
}

export const loaders = slot<Loader>("data/loader", loaderIndex);

/** Types an entry, and returns it unchanged. */
export const loader = <const O extends Options>(entry: Entry<Loader, O>): Entry<Loader, O> => entry;

/** Each function in a stage of its own, record by record, kept where the pipeline says so: what was written. */
export function stagesAsWritten(ops: readonly DataOp[]): readonly Stage[] {
  return ops.flatMap((op, i): Stage[] => {
    if (op.kind !== "map") return [];
    const next = ops.slice(i + 1).find(({ kind }) => kind === "map" || kind === "cache");
    return [{ maps: [op.map], grain: "record", cached: next?.kind === "cache" }];
  });
}
