/** Kernels of one operation on rows, with parameters in the order in which tests and benches give them. */
import type { WeightFormat } from "../compile/layout.ts";
import type { CacheLayout } from "../compile/lower/cache-store.ts";
import { lowerRows } from "../compile/lower/row-kernel.ts";
import type { Operand, RowWork } from "../compile/lower/row-work.ts";
import { type RowOp, rowBytesOf } from "../compile/lower/rows.ts";
import type { Target, TileProgram } from "../compile/tile.ts";

/** `strides` of the operands that are rows; 0 for one that all rows share. */
function single(target: Target, work: RowWork, strides: readonly number[]): TileProgram {
  const inputs = strides.map(
    (stride, param): Operand => (stride === 0 ? { from: "whole", param } : { from: "rows", param, stride }),
  );
  const steps = [{ work, inputs, written: work.kind !== "cacheStore" }];
  return lowerRows(target, { params: strides.length, steps });
}

/** Parameters x, w, y; rows of x are `stride` bytes apart. */
export const rmsNormKernel = (
  target: Target,
  heads: number,
  width: number,
  epsilon: number,
  stride = rowBytesOf(heads * width),
): TileProgram => single(target, { kind: "rmsNorm", heads, width, epsilon }, [stride, 0]);

/** Parameters x, (y,) out. */
export const mapKernel = (target: Target, op: RowOp, width: number, strides: readonly number[]): TileProgram =>
  single(target, { kind: "map", op, width }, strides);

/** Parameters: the operands, out. */
export const concatKernel = (target: Target, widths: readonly number[], strides: readonly number[]): TileProgram =>
  single(target, { kind: "concat", widths }, strides);

/** Parameters x, rows, out. */
export const gatherKernel = (target: Target, width: number): TileProgram =>
  single(target, { kind: "gather", width, stride: rowBytesOf(width) }, [0, 0]);

/** Parameters x, positions, table, y. */
export const ropeKernel = (target: Target, heads: number, width: number): TileProgram =>
  single(target, { kind: "rope", heads, width }, [rowBytesOf(heads * width), 0, 0]);

/** Parameters x, q. */
export const quantizeKernel = (target: Target, k: number): TileProgram =>
  single(target, { kind: "quantize", k }, [rowBytesOf(k)]);

/** Parameters x, narrowed. */
export const narrowKernel = (target: Target, k: number): TileProgram =>
  single(target, { kind: "narrow", k }, [rowBytesOf(k)]);

/** Parameters tokens, table, out. */
export const embedKernel = (
  target: Target,
  format: WeightFormat,
  { n, k }: { readonly n: number; readonly k: number },
  scale: number,
): TileProgram => single(target, { kind: "embed", format, n, k, scale }, [0, 0]);

/** Parameters k, v, slots, cacheK, cacheV. */
export function cacheStoreKernel(target: Target, layout: CacheLayout): TileProgram {
  const stride = rowBytesOf(layout.kvHeads * layout.width);
  return single(target, { kind: "cacheStore", ...layout }, [stride, stride, 0, 0, 0]);
}
