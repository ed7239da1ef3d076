/** Tiles over weights in f32 and bf16. */
import { panelRows } from "../../block-format.ts";
import { narrowRowBytes, rowFloats } from "../../layout.ts";
import type { Address, F32, F32Operand, I32, I32Operand, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder } from "../../tile-builder.ts";
import { type Inner, steps } from "./inner.ts";

const stepBytes = panelRows * 4;

function zeros(b: TileBuilder, rows: number, columns: readonly number[]): F32[][] {
  return Array.from({ length: rows }, () => columns.map(() => b.constF(0)));
}

function fetchAhead(b: TileBuilder, cursor: Int, columns: readonly number[], ahead: number): void {
  if (ahead > 0) for (const c of columns) if (c % 64 === 0) b.prefetch(at(cursor, ahead + c));
}

export function f32Tile(
  b: TileBuilder,
  k: number,
  panel: Int,
  columns: readonly number[],
  x: Int,
  rows: number,
  { ahead, operand, unroll }: Inner,
): F32[][] {
  const xBytes = rowFloats(k) * 4;
  const sums = zeros(b, rows, columns);
  const cursor = b.int(panel);
  const repeated = (from: Address): F32Operand => (operand === "memory" ? broadcast(from) : b.broadcastF(from));
  steps(b, k, 4, unroll, (offset, times) => {
    for (let step = 0; step < times; step++) {
      const w = columns.map((c) => b.loadF(at(cursor, step * stepBytes + c)));
      for (const [r, row] of sums.entries()) {
        const v = repeated(at(x, r * xBytes + step * 4, offset));
        for (const [i, sum] of row.entries()) b.fma(sum, w[i]!, v);
      }
      fetchAhead(b, cursor, columns, ahead > 0 ? ahead + step * stepBytes : 0);
    }
    b.add(cursor, times * stepBytes, cursor);
  });
  return sums;
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
  { ahead, operand, unroll }: Inner,
): F32[][] {
  const { dotBf16 } = b.target;
  const xBytes = narrowRowBytes(k, dotBf16);
  const sums = zeros(b, rows, columns);
  const cursor = b.int(panel);
  const pairs = Math.ceil(k / 2);
  const xStep = dotBf16 ? 4 : 8;
  const repeated = (from: Address): I32Operand => (operand === "memory" ? broadcast(from) : b.broadcastI(from));
  steps(b, pairs, xStep, unroll, (offset, times) => {
    for (let step = 0; step < times; step++) {
      const w = columns.map((c) => b.loadI(at(cursor, step * stepBytes + c)));
      if (dotBf16) {
        for (const [r, row] of sums.entries()) {
          const v = repeated(at(x, r * xBytes + step * xStep, offset));
          for (const [i, sum] of row.entries()) b.dotBf16(sum, w[i]!, v);
        }
      } else pairsApart(b, sums, w, x, xBytes, step * xStep, offset);
      fetchAhead(b, cursor, columns, ahead > 0 ? ahead + step * stepBytes : 0);
    }
    b.add(cursor, times * stepBytes, cursor);
  });
  return sums;
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
