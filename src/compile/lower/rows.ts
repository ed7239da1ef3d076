/** What is done with rows: norms, activations, sums. Rows are padded with zeros to whole vectors (`layout.ts`). */
import { pad, rowFloats } from "../layout.ts";
import type { F32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { gelu, reduce16, silu } from "./math.ts";

/** Bytes from one row of f32 to the next. */
export const rowBytesOf = (width: number): number => rowFloats(width) * 4;
/** Bytes of a row that kernels read and write: whole vectors on every target, and none of the next slice's. */
export const vectorBytes = (width: number): number => pad(width, 32) * 4;

/** The vector at byte `i` + `offset` of a row: read, or computed where it is used. */
export type Load = (i: Int, offset: number) => F32;

/** A row that lies in memory. */
export const loadAt =
  (b: TileBuilder, row: Int): Load =>
  (i, offset) =>
    b.loadF(at(row, offset, i));

/**
 * 1 / sqrt(mean(x²) + epsilon) of `width` numbers that take `bytes`, in every lane. Sixteen sums run side by side, whatever
 * the number of lanes.
 */
export function inverseRms(b: TileBuilder, x: Load, bytes: number, width: number, epsilon: number): F32 {
  const { lanes } = b.target;
  const sums = Array.from({ length: 16 / lanes }, () => b.constF(0));
  b.for(0, bytes, 64, (i) => {
    for (const [p, sum] of sums.entries()) {
      const v = x(i, p * lanes * 4);
      b.fma(sum, v, v);
    }
  });
  const mean = b.fmul(reduce16(b, "add", sums), b.constF(1 / width));
  return b.fdiv(b.constF(1), b.sqrt(b.fadd(mean, b.constF(epsilon))));
}

/** `y = x / sqrt(mean(x²) + epsilon) * w` over each of the `heads` runs of `width`, a multiple of 16, of a row. */
export function emitHeadNorms(
  b: TileBuilder,
  { heads, width, epsilon }: { readonly heads: number; readonly width: number; readonly epsilon: number },
  x: Int,
  w: Int,
  y: Int,
): void {
  const bytes = width * 4;
  b.for(0, heads * bytes, bytes, (head) => {
    const from = loadAt(b, b.add(x, head));
    const to = b.add(y, head);
    const scale = inverseRms(b, from, bytes, width, epsilon);
    b.for(0, bytes, b.target.lanes * 4, (i) => {
      b.store(at(to, 0, i), b.fmul(b.fmul(from(i, 0), scale), b.loadF(at(w, 0, i))));
    });
  });
}

export type RowOp = "add" | "mul" | "gelu" | "silu" | "relu" | "geluMul" | "siluMul";

/** Element by element; operands are evaluated in order. */
export const rowOps: { readonly [K in RowOp]: (b: TileBuilder, x: F32, y: () => F32) => F32 } = {
  add: (b, x, y) => b.fadd(x, y()),
  mul: (b, x, y) => b.fmul(x, y()),
  gelu: (b, x) => gelu(b, x),
  silu: (b, x) => silu(b, x),
  relu: (b, x) => b.fmax(x, b.constF(0)),
  geluMul: (b, x, y) => b.fmul(gelu(b, x), y()),
  siluMul: (b, x, y) => b.fmul(silu(b, x), y()),
};

/** Stores a row of `bytes`, a multiple of 64. */
export function storeRow(b: TileBuilder, x: Load, to: Int, bytes: number): void {
  b.for(0, bytes, b.target.lanes * 4, (i) => b.store(at(to, 0, i), x(i, 0)));
}
