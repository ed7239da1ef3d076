/**
 * Tiles over quantised weights: integer dots within a sub-block, exact, then one fma with the product of the two scales.
 *
 * Where four products are not one instruction, two are, added up in 16 bits for as many quads as certainly fit, and then as
 * pairs. Codes of 8 bits do not fit even once: they are multiplied with either part of the activations' codes.
 */
import { type BlockFormat, blockLayout } from "../../block-format.ts";
import { fact, quantBlock, quantLayout } from "../../layout.ts";
import type { LinearTile } from "../../schedule/linear.ts";
import type { F32, I32, I32Operand, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder } from "../../tile-builder.ts";
import { type BlockCursor, blockCursor, eachPart, eachTurn } from "./block-cursor.ts";
import { type Inner, steps } from "./inner.ts";
import { type Constants, constants, type Factors, factorsOf, masksOf, quad, scaleOf } from "./unpack.ts";

const [ones, sixteens] = [0x00010001, 0x00100010];

/** Where a tile stands: the block of weights, and the codes and facts of its activations, which advance by 32 columns. */
interface Cursors {
  readonly block: BlockCursor;
  readonly codes: Int;
  readonly facts: Int;
  readonly rowBytes: number;
  readonly low: number;
  readonly high: number;
  readonly operand: Inner["operand"];
  /** Called after each quad's products. */
  readonly afterQuad: () => void;
}

/** What a tile has brought into the cache while it multiplies: from `ahead` bytes behind `from`, `bytes` in all. */
export interface Fetch {
  readonly from: Int | undefined;
  readonly ahead: number;
  readonly bytes: number;
}

export const nothing: Fetch = { from: undefined, ahead: 0, bytes: 0 };

interface BlockInner extends Pick<Inner, "operand" | "unroll"> {
  readonly fetches: Fetch;
  /** Where in the panel the vectors begin, where only the running kernel knows. */
  readonly column: Int | undefined;
}

export function blockTile(
  b: TileBuilder,
  f: BlockFormat,
  k: number,
  panel: Int,
  columns: readonly number[],
  x: Int,
  rows: number,
  { fetches, operand, unroll, column }: BlockInner,
): F32[][] {
  const quant = quantLayout(k, b.target.dot4);
  const sums = Array.from({ length: rows }, () => columns.map(() => b.constF(0)));
  const block = blockCursor(b, f, panel, column);
  const known = constantsOf(b, f, rows * columns.length);
  const turn = block.quads * 4;
  const lines = Math.ceil((fetches.bytes / 64 / k) * turn);
  const ahead = fetches.from === undefined ? undefined : b.int(fetches.from);
  let [quads, line] = [0, 0];
  const afterQuad = (): void => {
    quads++;
    // Evenly: a burst would fill the queues.
    for (; ahead !== undefined && line < (lines * quads) / block.quads; line++)
      b.prefetch(at(ahead, fetches.ahead + line * 64));
  };
  const activations = { ...quant, codes: b.int(x), facts: b.int(b.add(x, quant.facts)), operand };
  const cursors: Cursors = { ...activations, block, afterQuad };
  const kept = rows * columns.length <= (b.target.registers >= 24 ? 2 : 1);
  const step = (): void => {
    const factors = factorsOf(b, f, block, columns, kept);
    eachTurn(b, block, () => {
      [quads, line] = [0, 0];
      for (let part = 0; part < turn / quantBlock; part++)
        columnsOf32(b, f, columns, sums, cursors, known, factors, part);
      if (ahead !== undefined) b.add(ahead, Math.round((fetches.bytes / k) * turn), ahead);
    });
  };
  steps(b, k / f.block, 1, unroll, (_, times) => {
    for (let i = 0; i < times; i++) step();
  });
  return sums;
}

function constantsOf(b: TileBuilder, f: BlockFormat, sums: number): Constants {
  const { dot4, registers } = b.target;
  const values = dot4 ? masksOf(f) : [...masksOf(f), ones, sixteens];
  return constants(b, values, registers >= 24 || sums <= 2);
}

/**
 * One token's sums, added up in memory at `out` where they begin as zeros: each block is read once for all rows of the
 * panel, in the order in which it lies there, which the hardware fetches ahead by itself.
 */
export function blocksInOrder(
  b: TileBuilder,
  f: BlockFormat,
  k: number,
  panel: Int,
  x: Int,
  out: Int,
  { vectors, prefetch, operand }: LinearTile,
): void {
  const quant = quantLayout(k, b.target.dot4);
  const { bytes } = blockLayout(f);
  const [start, codes, facts] = [b.int(panel), b.int(x), b.int(b.add(x, quant.facts))];
  const known = constantsOf(b, f, vectors);
  b.for(0, k / f.block, 1, () => {
    for (let line = 0; prefetch > 0 && line < bytes / 64; line++) b.prefetch(at(start, prefetch + line * 64));
    eachPart(b, vectors, (columns, column) => {
      const block = blockCursor(b, f, start, column);
      const to = column === undefined ? out : b.add(out, column);
      const sums = [columns.map((c) => b.loadF(at(to, c)))];
      const factors = factorsOf(b, f, block, columns, false);
      const activations = { ...quant, codes: b.int(codes), facts: b.int(facts), operand };
      const cursors: Cursors = { ...activations, block, afterQuad() {} };
      eachTurn(b, block, () => {
        for (let part = 0; part < (block.quads * 4) / quantBlock; part++)
          columnsOf32(b, f, columns, sums, cursors, known, factors, part);
      });
      for (const [i, c] of columns.entries()) b.store(at(to, c), sums[0]![i]!);
    });
    b.add(start, bytes, start);
    b.add(codes, f.block, codes);
    b.add(facts, (f.block / quantBlock) * fact.stride, facts);
  });
}

/** Adds up 32 columns, part `part` of the turn, and takes the cursors of the activations on. */
function columnsOf32(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  sums: readonly F32[][],
  c: Cursors,
  masks: Constants,
  factors: Factors,
  part: number,
): void {
  const halves = quantBlock / f.subBlock;
  for (let half = 0; half < halves; half++) {
    const sub = part * halves + half;
    const dots = f.subBlock === 32 ? integerDots(b, f, columns, sums.length, c, masks, part, 0, 8) : undefined;
    const parts = dots ?? integerDots(b, f, columns, sums.length, c, masks, part, half * 4, 4);
    for (const [i, column] of columns.entries()) {
      const scale = scaleOf(b, f, factors, "scales", c.block, i, column, sub);
      for (const [r, sum] of sums.entries()) {
        const both = b.fmul(scale, broadcast(at(c.facts, r * c.rowBytes + fact.scale)));
        b.fma(sum[i]!, b.toF32(parts[r]![i]!), both);
      }
      if (!f.minima) continue;
      const minimum = b.fsub(b.constF(0), scaleOf(b, f, factors, "minima", c.block, i, column, sub));
      for (const [r, sum] of sums.entries()) b.fma(sum[i]!, minimum, broadcast(at(c.facts, r * c.rowBytes + fact.sum)));
    }
  }
  b.add(c.codes, quantBlock, c.codes);
  b.add(c.facts, fact.stride, c.facts);
}

/** Σ (code - zero) × q over `count` quads of part `part` from `first` on, for each row and vector. */
function integerDots(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  rows: number,
  c: Cursors,
  known: Constants,
  part: number,
  first: number,
  count: number,
): I32[][] {
  const dots = Array.from({ length: rows }, (_, r) => {
    const start = f.zero !== 0 ? offsetOf(b, f, c, r, first) : b.constI(0);
    return columns.map((_, i) => (i === 0 ? start : b.copy(start)));
  });
  const words = (q: number): I32[] => columns.map((column) => quad(b, f, known, c.block, column, part * 8 + q));
  if (!b.target.dot4) {
    const group = Math.min(count, quadsIn16(f));
    for (let q = first; q < first + count; q += group) pairDots(b, f, dots, words, c, known, q, group);
    return dots;
  }
  for (let q = first; q < first + count; q++) {
    const w = words(q);
    for (const [r, row] of dots.entries()) {
      const from = at(c.codes, r * c.rowBytes + q * 4);
      const v: I32Operand = c.operand === "memory" ? broadcast(from) : b.broadcastI(from);
      for (const [i, dot] of row.entries()) b.dot4(dot, w[i]!, v);
    }
    c.afterQuad();
  }
  return dots;
}

/** -zero × Σq of the quads from `first` on: of the whole 32, or of the half that a sub-block of 16 is. */
function offsetOf(b: TileBuilder, f: BlockFormat, c: Cursors, r: number, first: number): I32 {
  const load = (offset: number): I32 => b.broadcastI(at(c.facts, r * c.rowBytes + offset));
  const sum = (): I32 => {
    if (f.subBlock === 32) return load(fact.negative);
    const low = load(fact.negativeLow);
    return first === 0 ? low : b.i32("sub", load(fact.negative), low);
  };
  return b.shift("shl", sum(), Math.log2(f.zero));
}

/** How many quads' pairs of products, each at most 127 × the largest code, certainly fit 16 bits; of parts, 8 × it. */
function quadsIn16({ codeBits }: BlockFormat): number {
  const largest = 2 ** codeBits - 1;
  const fits = Math.floor(0x7fff / (2 * largest * (codeBits === 8 ? 8 : 127)));
  return 2 ** Math.floor(Math.log2(fits));
}

/** Adds the products of `count` quads from `first` on, in 16 bits and then as pairs. */
function pairDots(
  b: TileBuilder,
  f: BlockFormat,
  dots: I32[][],
  words: (q: number) => I32[],
  c: Cursors,
  known: Constants,
  first: number,
  count: number,
): void {
  const runs =
    f.codeBits === 8
      ? [
          { run: c.low, times: ones },
          { run: c.high, times: sixteens },
        ]
      : [{ run: 0, times: ones }];
  const sums = dots.map((row) => row.map(() => [] as I32[]));
  for (let q = first; q < first + count; q++) {
    const w = words(q);
    for (const [r, row] of sums.entries()) {
      for (const [n, { run }] of runs.entries()) {
        const from = at(c.codes, r * c.rowBytes + run + q * 4);
        const v = row.length === 1 ? broadcast(from) : b.broadcastI(from);
        for (const [i, sum] of row.entries()) {
          const pairs = b.i32("madd8", w[i]!, v);
          if (q === first) sum.push(pairs);
          else b.i32("add16", sum[n]!, pairs, sum[n]!);
        }
      }
    }
    c.afterQuad();
  }
  for (const [r, row] of dots.entries()) {
    for (const [i, dot] of row.entries()) {
      for (const [n, { times }] of runs.entries())
        b.i32("add", dot, b.i32("madd16", sums[r]![i]![n]!, known(times)), dot);
    }
  }
}
