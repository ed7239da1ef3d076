/** What a kernel over rows may do: plain data, so that equal kernels are generated once. */
import { narrowRowBytes, quantLayout } from "../layout.ts";
import type { Target } from "../tile.ts";
import { type CacheLayout, cacheStoreScratch } from "./cache-store.ts";
import type { EmbedShape } from "./embed.ts";
import { ropeScratch } from "./rope.ts";
import { type RowOp, rowBytesOf } from "./rows.ts";

/** One operation on a row, with its operands in the comment. */
export type RowWork =
  /** (x, y?) */
  | { readonly kind: "map"; readonly op: RowOp; readonly width: number }
  /** (x, w: one row for all) */
  | { readonly kind: "rmsNorm"; readonly heads: number; readonly width: number; readonly epsilon: number }
  /** (x, positions, table) */
  | { readonly kind: "rope"; readonly heads: number; readonly width: number }
  /** (x, …) */
  | { readonly kind: "concat"; readonly widths: readonly number[] }
  /** (x, of which each row may want any row, `stride` bytes apart; rows) */
  | { readonly kind: "gather"; readonly width: number; readonly stride: number }
  /** (tokens, table) */
  | ({ readonly kind: "embed" } & EmbedShape)
  /** (x) */
  | { readonly kind: "quantize"; readonly k: number }
  /** (x) */
  | { readonly kind: "narrow"; readonly k: number }
  /** (k, v, slots, cacheK, cacheV): gives no row. */
  | ({ readonly kind: "cacheStore" } & CacheLayout);

/**
 * Where an operand comes from: an earlier step, what a product before the steps made, rows of memory `stride` bytes apart, or
 * memory that all rows share.
 */
export type Operand =
  | { readonly from: "product"; readonly product: number }
  | { readonly from: "step"; readonly step: number }
  | { readonly from: "rows"; readonly param: number; readonly stride: number }
  | { readonly from: "whole"; readonly param: number };

export interface RowStep {
  readonly work: RowWork;
  readonly inputs: readonly Operand[];
  /** Its row is stored where others read it; else it lives no longer than the row's item. */
  readonly written: boolean;
}

/** Steps follow those that they read. Parameters: `params` of operands, then one for each step that is written. */
export interface RowProgram {
  readonly params: number;
  readonly steps: readonly RowStep[];
}

/** Numbers in a row of what it gives. */
export function widthOf(work: RowWork): number {
  switch (work.kind) {
    case "map":
    case "gather":
      return work.width;
    case "rmsNorm":
    case "rope":
      return work.heads * work.width;
    case "concat":
      return work.widths.reduce((sum, w) => sum + w, 0);
    case "embed":
    case "quantize":
    case "narrow":
      return work.k;
    case "cacheStore":
      return 0;
  }
}

/** Bytes from one row of what it gives to the next. */
export function strideOf(work: RowWork, target: Target): number {
  if (work.kind === "quantize") return quantLayout(work.k, target.dot4).rowBytes;
  return work.kind === "narrow" ? narrowRowBytes(work.k, target.dotBf16) : rowBytesOf(widthOf(work));
}

/** Its vectors are computed one at a time, so whoever reads them once can do so in registers. */
export const isLazy = (work: RowWork): boolean =>
  work.kind === "map" || work.kind === "gather" || (work.kind === "rmsNorm" && work.heads === 1);

/** Each 32 columns of the result need the same 32 of the operands, so it can be done to a part of a row. */
export const isLocal = ({ kind }: RowWork): boolean => kind === "map" || kind === "quantize" || kind === "narrow";

/** It reads its rows more than once or out of order, so they must lie somewhere. */
const needsRows = (work: RowWork): boolean =>
  work.kind === "rmsNorm" || work.kind === "rope" || work.kind === "cacheStore";

/** Whether a step that is not written needs a row in scratch: where vectors alone do not serve whoever reads it. */
export function needsHome({ steps }: RowProgram, index: number): boolean {
  const { work, written } = steps[index]!;
  if (written || work.kind === "cacheStore") return false;
  const readers = steps.flatMap((step) =>
    step.inputs.filter((o) => o.from === "step" && o.step === index).map(() => step.work),
  );
  return !isLazy(work) || readers.length !== 1 || needsRows(readers[0]!);
}

/** Scratch that a step needs beside the rows: for a rotation, rounded keys, or a block that is quantised in narrow vectors. */
export function stepScratch({ work, inputs }: RowStep, target: Target): number {
  if (work.kind === "rope") return ropeScratch(work.width);
  if (work.kind === "cacheStore") return cacheStoreScratch(work);
  return work.kind === "quantize" && inputs[0]!.from === "step" && target.lanes < 16 ? 128 : 0;
}
