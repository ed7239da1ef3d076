/** Copies of operands, in the order in which they are multiplied: panels of B, and an item's rows of A. */
import type { I32, Int, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { eachWidth, nameOf, type Parts, sourceOf } from "./parts.ts";
import { bytesOf, elementsOf } from "./shape.ts";
import { transposeRows } from "./transpose.ts";
import { copyRow, partBytes, rowRoom, wordsAcross, wordsAsTheyAre } from "./words.ts";

/** Whether B's words lie one after the other in its memory, so that they need no rounding and no pairing. */
const ready = ({ shape: { b, k }, words }: Parts): boolean =>
  words.kind === "f32" ||
  (words.kind === "pairs" && b.type === "bf16" && k % 2 === 0) ||
  (words.kind === "quads" && k % 4 === 0);

/**
 * Bytes of A are multiplied as unsigned ones, 128 more than they are: what that makes too much of each column is 128 × the sum of
 * its bytes, which is counted as they pass.
 */
interface ColumnSums {
  /** Counts a word of `vector`'s columns. */
  count(word: number, vector: number, value: I32): void;
  /** Stores what takes it back, an i32 a column. */
  store(to: Int): void;
}

/** `turns` sums in turn, where each addition would wait for the one before. */
function columnSums(b: TileBuilder, { words, target }: Parts, vectors: number, turns: number): ColumnSums {
  if (words.kind !== "quads") return { count() {}, store() {} };
  const ones = b.constI(0x01010101);
  const sums = Array.from({ length: vectors }, () => Array.from({ length: turns }, () => b.constI(0)));
  return {
    count: (word, v, value) => void b.dot4(sums[v]![word % turns]!, ones, value),
    store(to) {
      for (const [v, parts] of sums.entries()) {
        const all = parts.reduce((x, y) => b.i32("add", x, y));
        b.store(at(to, v * target.lanes * 4), b.i32("sub", b.constI(0), b.shift("shl", all, 7)));
      }
    },
  };
}

/** Scratch that `packColumns` needs: rows of B's words, where they are rounded or paired before they are transposed. */
export const packScratch = (parts: Parts): number =>
  parts.shape.b.transposed && !ready(parts) ? parts.target.lanes * rowRoom(parts.words.count) : 0;

/** Parameters: B, panels. An item is a panel: for each word of K, that of its columns. */
export function packColumns(parts: Parts): TileProgram {
  const { target, shape, panels, panelBytes } = parts;
  const b = new TileBuilder(target);
  const [source, packed] = [b.param(), b.param()];
  const { batchStride = 0 } = shape.b;
  const size = bytesOf(shape.b);
  b.for(b.begin, b.end, 1, (item) => {
    const panel = batchStride === 0 ? item : b.rem(item, panels);
    const matrix = batchStride === 0 ? source : b.add(source, b.mul(b.div(item, panels), batchStride * size));
    const to = b.add(packed, b.mul(item, panelBytes));
    eachWidth(parts, b, panel, (counts) => packPanel(b, parts, matrix, panel, counts, to, b.add(b.scratch, partBytes)));
  });
  return b.finish(`matmul-pack-${nameOf(parts)}`);
}

/** Panel `index` of the matrix at `matrix` to `to`, with `packScratch` bytes at `room`. */
export function packPanel(
  b: TileBuilder,
  parts: Parts,
  matrix: Int,
  index: Int,
  counts: readonly number[],
  to: Int,
  room: Int,
): void {
  const { shape, width } = parts;
  const { transposed } = shape.b;
  const from = b.add(matrix, b.mul(index, width * (transposed ? sourceOf(shape.b).rowBytes : bytesOf(shape.b))));
  if (transposed) rowsToPanel(b, parts, from, counts, to, room);
  else columnsToPanel(b, parts, from, counts, to);
}

function rowsToPanel(b: TileBuilder, parts: Parts, from: Int, counts: readonly number[], to: Int, room: Int): void {
  const { target, shape, words, width } = parts;
  const source = sourceOf(shape.b);
  for (const [v, count] of counts.entries()) {
    const rows = v === 0 ? from : b.add(from, v * target.lanes * source.rowBytes);
    const lanes = v === 0 ? to : b.add(to, v * target.lanes * 4);
    const transpose = (first: Int, rowBytes: number): void => {
      const sums = columnSums(b, parts, 1, 4);
      const counted = (word: number, value: I32): void => sums.count(word, 0, value);
      const load = wordsAsTheyAre(b, rowBytes);
      transposeRows(b, load, first, 4, count, words.count, lanes, width * 4, counted);
      sums.store(b.add(lanes, words.count * width * 4));
    };
    if (ready(parts)) {
      transpose(rows, source.rowBytes);
      continue;
    }
    const rowBytes = rowRoom(words.count);
    const [x, y] = [b.int(rows), b.int(room)];
    b.for(0, count, 1, () => {
      copyRow(b, words.kind, source, x, shape.k, y);
      b.add(x, source.rowBytes, x);
      b.add(y, rowBytes, y);
    });
    transpose(room, rowBytes);
  }
}

function columnsToPanel(b: TileBuilder, parts: Parts, from: Int, counts: readonly number[], to: Int): void {
  const { target, shape, words, width } = parts;
  const source = sourceOf(shape.b);
  const per = elementsOf(words);
  const [x, y] = [b.int(from), b.int(to)];
  const sums = columnSums(b, parts, counts.length, 1);
  const word = (elements: number): void => {
    const load = wordsAcross(b, words.kind, source, elements);
    for (const [v, count] of counts.entries()) {
      const value = load(x, 0, v * target.lanes, count);
      sums.count(0, v, value);
      b.store(at(y, v * target.lanes * 4), value);
    }
    b.add(x, per * source.rowBytes, x);
    b.add(y, width * 4, y);
  };
  const whole = Math.floor(shape.k / per);
  b.for(0, whole, 1, () => word(per));
  if (whole < words.count) word(shape.k - whole * per);
  sums.store(y);
}

/** Bytes from one of an item's rows in scratch to the next. */
export const copiedRowBytes = ({ plan }: Parts): number => rowRoom(plan.depth);

/** Where they begin: before them, and behind them, there is room for rows of other items. */
export const copiedFrom = (parts: Parts): number => partBytes + parts.target.lanes * copiedRowBytes(parts);

const rowsMost = ({ plan, tiling }: Parts): number => Math.min(plan.tilesPerItem, tiling.count) * tiling.height;

export const copyScratch = (parts: Parts): number =>
  parts.plan.copyA ? copiedFrom(parts) + (rowsMost(parts) + parts.target.lanes) * copiedRowBytes(parts) : partBytes;

/** Rows `row` … `rowEnd` of A, words `k` … `k + depth`, to scratch, row by row. */
export function copyRows(b: TileBuilder, parts: Parts, a: Int, row: Int, rowEnd: Int, k: Int, depth: number): void {
  const { shape, words } = parts;
  const per = elementsOf(words);
  const padded = words.count * per - shape.k;
  // The last block's words may hold one element more than there is.
  const copy = (elements: number): void => {
    if (shape.a.transposed) rowsFromAcross(b, parts, a, row, rowEnd, k, depth, elements);
    else rowsFromRows(b, parts, a, row, rowEnd, k, elements);
  };
  const all = depth * per;
  if (padded === 0) return copy(all);
  b.if(
    k,
    "ge",
    words.count - depth,
    () => copy(all - padded),
    () => copy(all),
  );
}

function rowsFromRows(b: TileBuilder, parts: Parts, a: Int, row: Int, rowEnd: Int, k: Int, elements: number): void {
  const source = sourceOf(parts.shape.a);
  const first = b.mul(k, elementsOf(parts.words) * bytesOf(parts.shape.a));
  const x = b.add(b.add(a, b.mul(row, source.rowBytes)), first);
  const y = b.add(b.scratch, copiedFrom(parts));
  b.for(row, rowEnd, 1, () => {
    copyRow(b, parts.words.kind, source, x, elements, y);
    b.add(x, source.rowBytes, x);
    b.add(y, copiedRowBytes(parts), y);
  });
}

/** As many rows of A as there are lanes at a time, each a run of columns in memory. */
function rowsFromAcross(
  b: TileBuilder,
  parts: Parts,
  a: Int,
  row: Int,
  rowEnd: Int,
  k: Int,
  depth: number,
  elements: number,
): void {
  const { target, shape, words } = parts;
  const { lanes } = target;
  const source = sourceOf(shape.a);
  const [per, size, rowBytes] = [elementsOf(words), bytesOf(shape.a), copiedRowBytes(parts)];
  const start = b.add(a, b.mul(k, per * source.rowBytes));
  const some = (first: Int, count: number): void => {
    const x = b.add(start, b.mul(first, size));
    const y = b.add(b.add(b.scratch, copiedFrom(parts)), b.mul(b.sub(first, row), rowBytes));
    const squares = (rows: number, left: number): void =>
      transposeRows(b, wordsAcross(b, words.kind, source, left), x, size, rows, count, y, rowBytes);
    const whole = Math.floor(elements / (lanes * per));
    b.for(0, whole, 1, () => {
      // No hardware foresees steps of whole rows.
      for (let line = 0; line < lanes * per; line++) b.prefetch(at(x, (2 * lanes * per + line) * source.rowBytes));
      squares(lanes, lanes * per);
      b.add(x, lanes * per * source.rowBytes, x);
      b.add(y, lanes * 4, y);
    });
    if (whole * lanes < depth) squares(depth - whole * lanes, elements - whole * lanes * per);
  };
  if (shape.m < lanes) return some(row, shape.m);
  // Whole vectors hold rows of other items too, which are copied in vain; behind the last row nothing is read.
  b.for(row, rowEnd, lanes, (first) => some(b.min(first, shape.m - lanes), lanes));
}
