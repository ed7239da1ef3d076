/**
 * Tiles over quantised weights: integer dots within a sub-block, exact, then one fma with the product of the two scales.
 */
import { type BlockFormat, blockLayout } from "../../block-format.ts";
import { fact, quantBlock, quantLayout } from "../../layout.ts";
import type { F32, I32, I32Operand, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder } from "../../tile-builder.ts";
import { type Inner, steps } from "./inner.ts";
import { type Factors, factorsOf, type Masks, masksOf, quad, scaleOf } from "./unpack.ts";

/** Where a tile stands: the block of weights, and the codes and facts of its activations, which advance by 32 columns. */
interface Cursors {
  readonly block: Int;
  readonly codes: Int;
  readonly facts: Int;
  readonly xBytes: number;
  readonly odd: number;
  readonly operand: Inner["operand"];
}

/** What a tile has brought into the cache while it multiplies: from `ahead` bytes behind `from`, `bytes` in all. */
export interface Fetch {
  readonly from: Int | undefined;
  readonly ahead: number;
  readonly bytes: number;
}

export const nothing: Fetch = { from: undefined, ahead: 0, bytes: 0 };

export function blockTile(
  b: TileBuilder,
  f: BlockFormat,
  k: number,
  panel: Int,
  columns: readonly number[],
  x: Int,
  rows: number,
  { fetch, operand, unroll }: Pick<Inner, "operand" | "unroll"> & { readonly fetch: Fetch },
): F32[][] {
  const quant = quantLayout(k, b.target.dot4);
  const sums = Array.from({ length: rows }, () => columns.map(() => b.constF(0)));
  const at0 = { block: b.int(panel), codes: b.int(x), facts: b.int(b.add(x, quant.facts)) };
  const cursors: Cursors = { ...at0, xBytes: quant.rowBytes, odd: quant.odd, operand };
  const masks = masksOf(b, f);
  const { bytes } = blockLayout(f);
  const parts = f.block / quantBlock;
  const lines = Math.ceil((fetch.bytes / 64 / k) * f.block);
  const ahead = fetch.from === undefined ? undefined : b.int(fetch.from);
  const step = (): void => {
    const factors = factorsOf(b, f, cursors.block, columns);
    for (let part = 0; part < parts; part++) {
      // Evenly: a burst would fill the queues.
      if (ahead !== undefined) {
        for (let line = Math.ceil((lines * part) / parts); line < (lines * (part + 1)) / parts; line++)
          b.prefetch(at(ahead, fetch.ahead + line * 64));
      }
      columnsOf32(b, f, columns, sums, cursors, masks, factors, part);
      b.add(cursors.codes, quantBlock, cursors.codes);
      b.add(cursors.facts, fact.stride, cursors.facts);
    }
    if (ahead !== undefined) b.add(ahead, Math.round((fetch.bytes / k) * f.block), ahead);
    b.add(cursors.block, bytes, cursors.block);
  };
  steps(b, k / f.block, 1, unroll, (_, times) => {
    for (let i = 0; i < times; i++) step();
  });
  return sums;
}

function columnsOf32(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  sums: readonly F32[][],
  c: Cursors,
  masks: Masks,
  factors: Factors,
  part: number,
): void {
  const halves = quantBlock / f.subBlock;
  for (let half = 0; half < halves; half++) {
    const sub = part * halves + half;
    const dots = f.subBlock === 32 ? integerDots(b, f, columns, sums.length, c, masks, part, 0, 8) : undefined;
    const parts = dots ?? integerDots(b, f, columns, sums.length, c, masks, part, half * 4, 4);
    for (const [i, column] of columns.entries()) {
      const scale = scaleOf(b, f, factors.scales[i], "scales", c.block, column, sub);
      for (const [r, sum] of sums.entries()) {
        const both = b.fmul(scale, broadcast(at(c.facts, r * c.xBytes + fact.scale)));
        b.fma(sum[i]!, b.toF32(parts[r]![i]!), both);
      }
      if (!f.minima) continue;
      const minimum = b.fsub(b.constF(0), scaleOf(b, f, factors.minima[i], "minima", c.block, column, sub));
      for (const [r, sum] of sums.entries()) b.fma(sum[i]!, minimum, broadcast(at(c.facts, r * c.xBytes + fact.sum)));
    }
  }
}

/** Σ (code - zero) × q over `count` quads of part `part` from `first` on, for each row and vector. */
function integerDots(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  rows: number,
  c: Cursors,
  masks: Masks,
  part: number,
  first: number,
  count: number,
): I32[][] {
  const { dot4 } = b.target;
  const dots = Array.from({ length: rows }, (_, r) => {
    const start = dot4 && f.zero !== 0 ? offsetOf(b, f, c, r, first) : b.constI(0);
    return columns.map((_, i) => (i === 0 ? start : b.copy(start)));
  });
  const low = dot4 ? undefined : b.constI(0x00ff00ff);
  for (let q = first; q < first + count; q++) {
    const w = columns.map((column) => quad(b, f, masks, c.block, column, part * 8 + q));
    if (low === undefined) {
      for (const [r, row] of dots.entries()) {
        const from = at(c.codes, r * c.xBytes + q * 4);
        const v: I32Operand = c.operand === "memory" ? broadcast(from) : b.broadcastI(from);
        for (const [i, dot] of row.entries()) b.dot4(dot, w[i]!, v);
      }
    } else pairDots(b, dots, w, low, c, q);
  }
  if (dot4) return dots;
  return dots.map((row, r) => {
    const exact = row.map((dot) => b.shift("sar", dot, 8));
    if (f.zero === 0) return exact;
    const start = offsetOf(b, f, c, r, first);
    return exact.map((dot) => b.i32("add", dot, start));
  });
}

/** -zero × Σq of the quads from `first` on: of the whole 32, or of the half that a sub-block of 16 is. */
function offsetOf(b: TileBuilder, f: BlockFormat, c: Cursors, r: number, first: number): I32 {
  const load = (offset: number): I32 => b.broadcastI(at(c.facts, r * c.xBytes + offset));
  const sum = (): I32 => {
    if (f.subBlock === 32) return load(fact.negative);
    const low = load(fact.negativeLow);
    return first === 0 ? low : b.i32("sub", load(fact.negative), low);
  };
  return b.shift("shl", sum(), Math.log2(f.zero));
}

/** Without dot4: bytes are multiplied as pairs of 16 bits, the even ones of a word and then the odd ones. */
function pairDots(b: TileBuilder, dots: I32[][], w: readonly I32[], low: I32, c: Cursors, q: number): void {
  for (const [i, word] of w.entries()) {
    const even = b.i32("and", word, low);
    const odd = b.shift("shr16", word, 8);
    for (const [r, row] of dots.entries()) {
      const from = r * c.xBytes + q * 4;
      b.i32("add", row[i]!, b.i32("madd16", even, broadcast(at(c.codes, from))), row[i]!);
      b.i32("add", row[i]!, b.i32("madd16", odd, broadcast(at(c.codes, from + c.odd))), row[i]!);
    }
  }
}
