/** The inner loop: a tile of sums in registers, along a block of K. */
import type { F32, Int } from "../../tile.ts";
import { at, type TileBuilder, vector } from "../../tile-builder.ts";
import type { Words } from "./shape.ts";

/** Where a tile's rows of A are; a row's words of K lie one after the other. */
export interface Rows {
  readonly from: Int;
  readonly rowBytes: number;
}

/** Where a panel of B is: the vectors of each word of K lie together, `wordBytes` from those of the next. */
export interface Panel {
  readonly from: Int;
  readonly wordBytes: number;
}

/** Adds `words` words of K to `sums`, which are rows of vectors. Words are taken in order, or each two in turn. */
export function multiply(
  b: TileBuilder,
  kind: Words["kind"],
  a: Rows,
  panel: Panel,
  words: number,
  unroll: number,
  sums: readonly (readonly F32[])[],
): void {
  const cursor = b.int(panel.from);
  const order = kind === "rounded" ? 1 : 0;
  const step = (offset: Int, u: number): void => {
    const word = u ^ order;
    const line = word * panel.wordBytes;
    const columns = sums[0]!.map((_, v) => at(cursor, line + v * b.target.lanes * 4));
    const place = (r: number) => at(a.from, r * a.rowBytes + word * 4, offset);
    if (kind === "pairs") {
      const w = columns.map((column) => b.loadI(column));
      for (const [r, row] of sums.entries()) {
        const x = b.broadcastI(place(r));
        for (const [v, sum] of row.entries()) b.dotBf16(sum, w[v]!, x);
      }
      return;
    }
    const w = columns.map((column) => b.loadF(column));
    for (const [r, row] of sums.entries()) {
      const x = b.broadcastF(place(r));
      for (const [v, sum] of row.entries()) b.fma(sum, w[v]!, x);
    }
  };
  const turns = (from: number, to: number, times: number): void => {
    if (to <= from) return;
    b.for(from * 4, to * 4, times * 4, (offset) => {
      for (let u = 0; u < times; u++) step(offset, u);
      b.add(cursor, times * panel.wordBytes, cursor);
    });
  };
  const whole = Math.floor(words / unroll) * unroll;
  turns(0, whole, unroll);
  turns(whole, words, order === 1 ? 2 : 1);
}

/** A tile of C: `counts` says how many columns each vector has. */
export interface Place {
  readonly from: Int;
  readonly rowBytes: number;
  readonly counts: readonly number[];
}

const partOf = (b: TileBuilder, count: number): boolean => count < b.target.lanes;

export function loadSums(b: TileBuilder, { from, rowBytes, counts }: Place, sums: readonly (readonly F32[])[]): void {
  for (const [r, row] of sums.entries()) {
    for (const [v, sum] of row.entries()) {
      const place = at(from, r * rowBytes + v * b.target.lanes * 4);
      // Sums are zero before.
      b.fadd(sum, partOf(b, counts[v]!) ? b.loadPartF(place, counts[v]!) : vector(place), sum);
    }
  }
}

export function storeSums(
  b: TileBuilder,
  { from, rowBytes, counts }: Place,
  sums: readonly (readonly F32[])[],
  finish: ((sum: F32, row: number, vector: number) => F32) | undefined,
): void {
  for (const [r, row] of sums.entries()) {
    for (const [v, sum] of row.entries()) {
      const place = at(from, r * rowBytes + v * b.target.lanes * 4);
      const value = finish === undefined ? sum : finish(sum, r, v);
      if (partOf(b, counts[v]!)) b.storePart(place, value, counts[v]!);
      else b.store(place, value);
    }
  }
}
