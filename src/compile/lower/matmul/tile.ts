/** The inner loop: a tile of sums in registers, along a block of K. */
import type { Address, F32, I32, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder, vector } from "../../tile-builder.ts";
import type { Words } from "./shape.ts";

type Kind = Words["kind"];

/** Rows of vectors, f32 or i32. */
export type Sums = readonly (readonly (F32 | I32)[])[];

export const isInteger = (kind: Kind): boolean => kind === "quads" || kind === "halves";

/** Where a tile's rows of A are: bytes from a row to the next, and from a word of K to the next. */
export interface Rows {
  readonly from: Int;
  readonly rowBytes: number;
  readonly wordBytes: number;
}

/** Where a panel of B is: the vectors of each word of K lie together, `lineBytes` from those of the next. */
export interface Panel {
  readonly from: Int;
  readonly lineBytes: number;
}

/**
 * Adds `words` words of K to `sums`. Words are taken in order, or the second of each two first. Each turn of the loop fetches
 * the line at `ahead`, if there is one, and moves on.
 */
export function multiply(
  b: TileBuilder,
  kind: Kind,
  a: Rows,
  panel: Panel,
  words: number,
  unroll: number,
  sums: Sums,
  ahead: Int | undefined,
): void {
  const cursor = b.int(panel.from);
  const order = kind === "rounded" ? 1 : 0;
  const flips = kind === "quads" ? b.constI(0x80808080 | 0) : undefined;
  const step = (across: Int, u: number): void => {
    const word = u ^ order;
    const line = word * panel.lineBytes;
    const columns = sums[0]!.map((_, v) => at(cursor, line + v * b.target.lanes * 4));
    const rows = sums.map((_, r) => at(across, r * a.rowBytes + word * a.wordBytes));
    addWord(b, kind, sums, columns, rows, flips);
  };
  const turns = (from: number, to: number, times: number): void => {
    if (to <= from) return;
    const [first, end] = [b.add(a.from, from * a.wordBytes), b.add(a.from, to * a.wordBytes)];
    b.for(first, end, times * a.wordBytes, (across) => {
      for (let u = 0; u < times; u++) step(across, u);
      b.add(cursor, times * panel.lineBytes, cursor);
      if (ahead === undefined) return;
      b.prefetch(at(ahead));
      b.add(ahead, 64, ahead);
    });
  };
  const whole = Math.floor(words / unroll) * unroll;
  turns(0, whole, unroll);
  turns(whole, words, order === 1 ? 2 : 1);
}

/** One word of each row by one of each column. `flips` makes signed bytes unsigned. */
function addWord(
  b: TileBuilder,
  kind: Kind,
  sums: Sums,
  columns: readonly Address[],
  rows: readonly Address[],
  flips: I32 | undefined,
): void {
  if (kind === "f32" || kind === "rounded") {
    const w = columns.map((column) => b.loadF(column));
    for (const [r, row] of (sums as readonly (readonly F32[])[]).entries()) {
      const x = b.broadcastF(rows[r]!);
      for (const [v, sum] of row.entries()) b.fma(sum, w[v]!, x);
    }
    return;
  }
  const w = columns.map((column) => b.loadI(column));
  for (const [r, row] of sums.entries()) {
    const x = flips === undefined ? b.broadcastI(rows[r]!) : b.i32("xor", flips, broadcast(rows[r]!));
    for (const [v, sum] of row.entries()) {
      if (kind === "pairs") b.dotBf16(sum as F32, w[v]!, x);
      else if (kind === "quads") b.dot4(sum as I32, x, w[v]!);
      else b.i32("add", sum as I32, b.i32("madd16", w[v]!, x), sum as I32);
    }
  }
}

/** A tile of C: `counts` says how many columns each vector has. */
export interface Place {
  readonly from: Int;
  readonly rowBytes: number;
  readonly counts: readonly number[];
}

const places = (b: TileBuilder, { from, rowBytes }: Place, r: number, v: number): Address =>
  at(from, r * rowBytes + v * b.target.lanes * 4);

/** Adds what C holds. */
export function addC(b: TileBuilder, place: Place, sums: Sums): void {
  for (const [r, row] of sums.entries()) {
    for (const [v, sum] of row.entries()) {
      const [from, count] = [places(b, place, r, v), place.counts[v]!];
      const part = count < b.target.lanes;
      if (sum.type === "f32") b.fadd(sum as F32, part ? b.loadPartF(from, count) : vector(from), sum as F32);
      else b.i32("add", sum as I32, part ? b.loadPartI(from, count) : vector(from), sum as I32);
    }
  }
}

/** Adds to each row the same vectors of integers, which lie one after the other. */
export function addVectors(b: TileBuilder, from: Int, sums: Sums): void {
  for (const row of sums as readonly (readonly I32[])[]) {
    for (const [v, sum] of row.entries()) b.i32("add", sum, vector(at(from, v * b.target.lanes * 4)), sum);
  }
}

export function storeC(
  b: TileBuilder,
  place: Place,
  sums: Sums,
  finish: (sum: F32 | I32, row: number, vector: number) => F32 | I32,
): void {
  for (const [r, row] of sums.entries()) {
    for (const [v, sum] of row.entries()) {
      const [to, count] = [places(b, place, r, v), place.counts[v]!];
      const value = finish(sum, r, v);
      if (count < b.target.lanes) b.storePart(to, value, count);
      else b.store(to, value);
    }
  }
}
