/** Tiles over weights in f32 and bf16. */
import { panelRows } from "../../block-format.ts";
import { narrowRowBytes, rowFloats } from "../../layout.ts";
import type { Address, F32, F32Operand, I32, I32Operand, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder } from "../../tile-builder.ts";
import { type Inner, steps } from "./inner.ts";

const stepBytes = panelRows * 4;

/** Walks over a panel `count` steps of one line a vector; `add` multiplies a step's weights with x at `offset + first`. */
function tile(
  b: TileBuilder,
  count: number,
  xStep: number,
  panel: Int,
  columns: readonly number[],
  rows: number,
  { ahead, unroll }: Inner,
  add: (sums: F32[][], weights: readonly Address[], first: number, offset: Int) => void,
): F32[][] {
  const sums = Array.from({ length: rows }, () => columns.map(() => b.constF(0)));
  const cursor = b.int(panel);
  steps(b, count, xStep, unroll, (offset, times) => {
    for (let step = 0; step < times; step++) {
      const line = step * stepBytes;
      add(
        sums,
        columns.map((c) => at(cursor, line + c)),
        step * xStep,
        offset,
      );
      if (ahead > 0) for (const c of columns) if (c % 64 === 0) b.prefetch(at(cursor, ahead + line + c));
    }
    b.add(cursor, times * stepBytes, cursor);
  });
  return sums;
}

export function f32Tile(
  b: TileBuilder,
  k: number,
  panel: Int,
  columns: readonly number[],
  x: Int,
  rows: number,
  inner: Inner,
): F32[][] {
  const xBytes = rowFloats(k) * 4;
  const repeated = (from: Address): F32Operand => (inner.operand === "memory" ? broadcast(from) : b.broadcastF(from));
  return tile(b, k, 4, panel, columns, rows, inner, (sums, weights, first, offset) => {
    const w = weights.map((from) => b.loadF(from));
    for (const [r, row] of sums.entries()) {
      const v = repeated(at(x, r * xBytes + first, offset));
      for (const [i, sum] of row.entries()) b.fma(sum, w[i]!, v);
    }
  });
}

/**
 * Pairs of bf16: the odd k's product is added first, then the even one's, as VDPBF16PS adds them. Without the instruction
 * activations are f32 that were rounded to bf16, and two fused operations do the same.
 */
export function bf16Tile(
  b: TileBuilder,
  k: number,
  panel: Int,
  columns: readonly number[],
  x: Int,
  rows: number,
  inner: Inner,
): F32[][] {
  const { dotBf16 } = b.target;
  const xBytes = narrowRowBytes(k, dotBf16);
  const repeated = (from: Address): I32Operand => (inner.operand === "memory" ? broadcast(from) : b.broadcastI(from));
  return tile(b, Math.ceil(k / 2), dotBf16 ? 4 : 8, panel, columns, rows, inner, (sums, weights, first, offset) => {
    const w = weights.map((from) => b.loadI(from));
    if (!dotBf16) return pairsApart(b, sums, w, x, xBytes, first, offset);
    for (const [r, row] of sums.entries()) {
      const v = repeated(at(x, r * xBytes + first, offset));
      for (const [i, sum] of row.entries()) b.dotBf16(sum, w[i]!, v);
    }
  });
}

function pairsApart(
  b: TileBuilder,
  sums: F32[][],
  w: readonly I32[],
  x: Int,
  xBytes: number,
  first: number,
  offset: Int,
): void {
  const mask = b.constI(0xffff0000 | 0);
  for (const [i, pair] of w.entries()) {
    const odd = b.bitsF(b.i32("and", pair, mask));
    for (const [r, row] of sums.entries()) b.fma(row[i]!, odd, broadcast(at(x, r * xBytes + first + 4, offset)));
    const even = b.bitsF(b.shift("shl", pair, 16));
    for (const [r, row] of sums.entries()) b.fma(row[i]!, even, broadcast(at(x, r * xBytes + first, offset)));
  }
}
