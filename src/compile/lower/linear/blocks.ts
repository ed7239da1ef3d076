/**
 * Tiles over quantised weights: integer dots within a sub-block, exact, then one fma with the product of the two scales.
 *
 * Where four products are not one instruction, two are, added up in 16 bits for as many quads as certainly fit, and then as
 * pairs. Codes of 8 bits do not fit even once: they are multiplied with either part of the activations' codes.
 */
import { type BlockFormat, blockLayout, hasFactors, turnColumns } from "../../block-format.ts";
import { fact, quantBlock, quantLayout } from "../../layout.ts";
import type { LinearTile } from "../../schedule/linear.ts";
import type { F32, I32, I32Operand, Int, Target } from "../../tile.ts";
import { at, broadcast, type TileBuilder } from "../../tile-builder.ts";
import { type BlockCursor, blockCursor, eachPart, eachTurn } from "./block-cursor.ts";
import { type Inner, steps } from "./inner.ts";
import {
  byWords,
  type Constants,
  constants,
  type Factors,
  factorsOf,
  heldWords,
  masksOf,
  quad,
  scaleOf,
  sixMasksOf,
} from "./unpack.ts";

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
  const how = together(b.target, f, rows, columns.length);
  const step = (): void => {
    const factors = factorsOf(b, f, block, columns, known, kept);
    eachTurn(b, block, () => {
      [quads, line] = [0, 0];
      for (let sub = 0; sub < turn / f.subBlock; sub += how.subBlocks)
        subBlocks(b, f, columns, sums, cursors, known, factors, sub, how);
      if (ahead !== undefined) b.add(ahead, Math.round((fetches.bytes / k) * turn), ahead);
    });
  };
  steps(b, k / f.block, 1, unroll, (_, times) => {
    for (let i = 0; i < times; i++) step();
  });
  return sums;
}

/** Kept in registers where there are few others that are held for a block: sums, and factors of its scales. */
function constantsOf(b: TileBuilder, f: BlockFormat, held: number): Constants {
  const { dot4, registers } = b.target;
  if (registers < 24 && held > 2) return constants(b, []);
  return constants(b, [
    ...masksOf(f),
    ...(dot4 ? [] : [ones, sixteens]),
    ...(registers >= 24 && held <= 2 ? sixMasksOf(f) : []),
  ]);
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
  const known = constantsOf(b, f, vectors * (hasFactors(f) ? 2 : 1));
  b.for(0, k / f.block, 1, () => {
    for (let line = 0; prefetch > 0 && line < bytes / 64; line++) b.prefetch(at(start, prefetch + line * 64));
    eachPart(b, vectors, (columns, column) => {
      const block = blockCursor(b, f, start, column);
      const to = column === undefined ? out : b.add(out, column);
      const sums = [columns.map((c) => b.loadF(at(to, c)))];
      const factors = factorsOf(b, f, block, columns, known, false);
      const activations = { ...quant, codes: b.int(codes), facts: b.int(facts), operand };
      const cursors: Cursors = { ...activations, block, afterQuad() {} };
      eachTurn(b, block, () => {
        for (let sub = 0; sub < (block.quads * 4) / f.subBlock; sub++)
          subBlocks(b, f, columns, sums, cursors, known, factors, sub, { subBlocks: 1, shared: false });
      });
      for (const [i, c] of columns.entries()) b.store(at(to, c), sums[0]![i]!);
    });
    b.add(start, bytes, start);
    b.add(codes, f.block, codes);
    b.add(facts, (f.block / quantBlock) * fact.stride, facts);
  });
}

/** How a turn's sub-blocks are multiplied: so many at a time, and whether words that several quads have are loaded once. */
interface Together {
  readonly subBlocks: number;
  readonly shared: boolean;
}

/**
 * All of a turn, whose words are then read in the order in which they lie, behind them the scales; fewer where their dots do not fit the
 * registers.
 */
function together({ dot4, registers }: Target, f: BlockFormat, rows: number, vectors: number): Together {
  const factors = hasFactors(f) ? vectors * (f.minima ? 2 : 1) : 0;
  const constants = new Set([...masksOf(f), ...sixMasksOf(f)]).size;
  const words = 2 * vectors + 4;
  const fits = (n: number): boolean => (n + 1) * rows * vectors + factors + constants + words <= registers;
  let subBlocks = dot4 ? turnColumns(f) / f.subBlock : 1;
  while (subBlocks > 1 && !fits(subBlocks)) subBlocks /= 2;
  return { subBlocks, shared: dot4 && fits(subBlocks) };
}

/** Adds up the turn's sub-blocks from `first` on, in this order, and takes the cursors of the activations on behind each 32 columns. */
function subBlocks(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  sums: readonly F32[][],
  c: Cursors,
  known: Constants,
  factors: Factors,
  first: number,
  how: Together,
): void {
  const begin = (first * f.subBlock) % quantBlock;
  const dots = integerDots(b, f, columns, sums.length, c, known, first, how);
  for (const [s, parts] of dots.entries()) {
    const facts = Math.floor((begin + s * f.subBlock) / quantBlock) * fact.stride;
    for (const [i, column] of columns.entries()) {
      const scale = scaleOf(b, f, factors, "scales", c.block, i, column, first + s);
      for (const [r, sum] of sums.entries()) {
        const both = b.fmul(scale, broadcast(at(c.facts, facts + r * c.rowBytes + fact.scale)));
        b.fma(sum[i]!, b.toF32(parts[r]![i]!), both);
      }
      if (!f.minima) continue;
      const minimum = scaleOf(b, f, factors, "minima", c.block, i, column, first + s);
      for (const [r, sum] of sums.entries())
        b.fma(sum[i]!, minimum, broadcast(at(c.facts, facts + r * c.rowBytes + fact.sum)));
    }
  }
  const end = begin + how.subBlocks * f.subBlock;
  if (end % quantBlock > 0) return;
  b.add(c.codes, end, c.codes);
  b.add(c.facts, (end / quantBlock) * fact.stride, c.facts);
}

/** Σ (code - zero) × q of some sub-blocks from `first` on, for each row and vector. */
function integerDots(
  b: TileBuilder,
  f: BlockFormat,
  columns: readonly number[],
  rows: number,
  c: Cursors,
  known: Constants,
  first: number,
  how: Together,
): I32[][][] {
  const each = f.subBlock / 4;
  const begin = first * each;
  /** Bytes from the cursor of the codes. */
  const codes = ((first * f.subBlock) % quantBlock) - begin * 4;
  const dots = Array.from({ length: how.subBlocks }, (_, s) =>
    Array.from({ length: rows }, (_, r) => {
      const start = f.zero !== 0 ? offsetOf(b, f, c, r, codes + (begin + s * each) * 4) : b.constI(0);
      return columns.map((_, i) => (i === 0 ? start : b.copy(start)));
    }),
  );
  if (!b.target.dot4) {
    const words = (q: number): I32[] => columns.map((column) => quad(b, f, known, c.block, column, q));
    const group = Math.min(each, quadsIn16(f));
    for (const [s, sums] of dots.entries()) {
      const from = begin + s * each;
      for (let q = from; q < from + each; q += group) pairDots(b, f, sums, words, c, known, codes, q, group);
    }
    return dots;
  }
  const inTurn = Array.from({ length: how.subBlocks * each }, (_, i) => begin + i);
  const quads = how.shared ? byWords(f, inTurn) : inTurn;
  const held = how.shared ? heldWords(b, f, c.block, quads) : undefined;
  for (const q of quads) {
    const w = columns.map((column) => quad(b, f, known, c.block, column, q, held));
    for (const [r, row] of dots[Math.floor((q - begin) / each)]!.entries()) {
      const from = at(c.codes, r * c.rowBytes + codes + q * 4);
      const v: I32Operand = c.operand === "memory" ? broadcast(from) : b.broadcastI(from);
      for (const [i, dot] of row.entries()) b.dot4(dot, w[i]!, v);
    }
    c.afterQuad();
  }
  return dots;
}

/** -zero × Σq of the sub-block that begins `column` columns behind the cursor: all of 32, or either half. */
function offsetOf(b: TileBuilder, f: BlockFormat, c: Cursors, r: number, column: number): I32 {
  const facts = r * c.rowBytes + Math.floor(column / quantBlock) * fact.stride;
  const load = (offset: number): I32 => b.broadcastI(at(c.facts, facts + offset));
  const sum = (): I32 => {
    if (f.subBlock === 32) return load(fact.negative);
    const low = load(fact.negativeLow);
    return column % quantBlock === 0 ? low : b.i32("sub", load(fact.negative), low);
  };
  return b.shift("shl", sum(), Math.log2(f.zero));
}

/** How many quads' pairs of products, each at most 127 × the largest code, certainly fit 16 bits; of parts, 8 × it. */
function quadsIn16({ codeBits }: BlockFormat): number {
  const largest = 2 ** codeBits - 1;
  const fits = Math.floor(0x7fff / (2 * largest * (codeBits === 8 ? 8 : 127)));
  return 2 ** Math.floor(Math.log2(fits));
}

/** Adds the products of `count` quads from `first` on, in 16 bits and then as pairs; `codes` bytes lie between cursor and quad 0. */
function pairDots(
  b: TileBuilder,
  f: BlockFormat,
  dots: I32[][],
  words: (q: number) => I32[],
  c: Cursors,
  known: Constants,
  codes: number,
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
        const from = at(c.codes, r * c.rowBytes + run + codes + q * 4);
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
