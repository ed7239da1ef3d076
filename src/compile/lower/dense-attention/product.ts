/** Small products in scratch: one operand repeated element by element, the other read as vectors. */
import type { F32, Int, IntOperand, Target } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";
import type { DenseAttention } from "../dense-attention.ts";
import { transposeRows } from "../matmul/transpose.ts";
import { wordsAsTheyAre } from "../matmul/words.ts";

/** How scores and transposed operands lie in scratch. */
export interface Scores {
  readonly width: number;
  readonly keys: number;
  /** Rows of a block of scores. */
  readonly rows: number;
  /** Keys of a panel. */
  readonly panel: number;
  /** Between rows of scores: with a line beside them, so that rows fall on different lines of the nearest cache. */
  readonly rowBytes: number;
  /** Numbers of lanes, then a number for each row of a block, from `inverses` on. */
  readonly headBytes: number;
  readonly inverses: number;
  readonly panelsBytes: number;
  readonly blockBytes: number;
}

const blockRows = 32;

export function scoresOf({ lanes }: Target, { queries, keys, width }: DenseAttention): Scores {
  const panel = 2 * lanes;
  const padded = Math.ceil(keys / panel) * panel;
  const rows = Math.min(blockRows, queries);
  const rowBytes = padded * 4 + 64;
  return {
    ...{ width, keys, rows, panel, rowBytes, inverses: 64, headBytes: 64 + blockRows * 4 },
    ...{ panelsBytes: padded * width * 4, blockBytes: rows * rowBytes },
  };
}

/** Rows and vectors whose sums are in registers together. */
export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

export const tileOf = ({ lanes }: Target, width: number): Tile => ({
  rows: lanes === 16 ? 8 : 4,
  vectors: (width / lanes) % 2 === 0 ? 2 : 1,
});

/** Calls `write` for tiles of `count` rows and `width` columns; `column` is in bytes. Rows that fill no tile come singly. */
export function eachTile(
  b: TileBuilder,
  { rows, vectors }: Tile,
  count: Int,
  width: number,
  write: (row: Int, high: number, column: Int, vectors: number) => void,
): void {
  const next = b.int(0);
  for (const high of [rows, 1]) {
    b.for(next, b.sub(count, high - 1), high, (row) => {
      const bytes = vectors * b.target.lanes * 4;
      b.for(0, width * 4, bytes, (column) => write(row, high, column, vectors));
      b.add(row, high, next);
    });
  }
}

export const zeroSums = (b: TileBuilder, rows: number, vectors: number): F32[][] =>
  Array.from({ length: rows }, () => Array.from({ length: vectors }, () => b.constF(0)));

const stepsUnrolled = 4;

/** sums[r] += x[r, step] × w[step], over steps in order; distances in bytes. */
export function addProduct(
  b: TileBuilder,
  sums: readonly F32[][],
  x: { readonly at: Int; readonly row: number; readonly step: number },
  w: { readonly at: Int; readonly step: number },
  steps: IntOperand,
): void {
  const [from, weights] = [b.int(x.at), b.int(w.at)];
  const vectors = sums[0]!.length;
  const some = (count: number): void => {
    for (let n = 0; n < count; n++) {
      const loaded = Array.from({ length: vectors }, (_, i) =>
        b.loadF(at(weights, n * w.step + i * b.target.lanes * 4)),
      );
      for (const [r, list] of sums.entries()) {
        const value = b.broadcastF(at(from, r * x.row + n * x.step));
        for (const [i, sum] of list.entries()) b.fma(sum, loaded[i]!, value);
      }
    }
    b.add(from, count * x.step, from);
    b.add(weights, count * w.step, weights);
  };
  const whole = typeof steps === "number" ? Math.floor(steps / stepsUnrolled) : b.shr(steps, 2);
  const rest = typeof steps === "number" ? steps % stepsUnrolled : b.and(steps, 3);
  b.for(0, whole, 1, () => some(stepsUnrolled));
  b.for(0, rest, 1, () => some(1));
}

export function storeSums(b: TileBuilder, sums: readonly F32[][], to: Int, rowBytes: number): void {
  for (const [r, list] of sums.entries()) {
    for (const [i, sum] of list.entries()) b.store(at(to, r * rowBytes + i * b.target.lanes * 4), sum);
  }
}

/** Rows of keys (or values) to panels [channel][key], zeros behind the last key. */
export function transposePanels(b: TileBuilder, s: Scores, from: Int, to: Int): void {
  const { lanes } = b.target;
  const load = wordsAsTheyAre(b, s.width * 4);
  const panelBytes = s.panel * s.width * 4;
  const [source, panel] = [b.int(from), b.int(to)];
  const part = (rows: number): void => {
    for (let i = 0; i < s.panel / lanes; i++) {
      const here = Math.min(lanes, Math.max(0, rows - i * lanes));
      const place = b.add(source, i * lanes * s.width * 4);
      transposeRows(b, load, place, 4, here, s.width, b.add(panel, i * lanes * 4), s.panel * 4);
    }
    b.add(source, rows * s.width * 4, source);
    b.add(panel, panelBytes, panel);
  };
  b.for(0, Math.floor(s.keys / s.panel), 1, () => part(s.panel));
  if (s.keys % s.panel > 0) part(s.keys % s.panel);
}
