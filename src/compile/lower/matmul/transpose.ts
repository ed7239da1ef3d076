/** A square of words is transposed in registers: fours within fours, then fours among each other. */
import type { I32, Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";
import type { LoadWords } from "./words.ts";

/**
 * `rows` (at most `lanes`) rows of `words` words of `wordBytes` each in memory: word s of all of them goes to
 * `to + s × stepBytes`, a vector whose lanes from `rows` on are zero. `seen` gets each, and its place among the lanes.
 */
export function transposeRows(
  b: TileBuilder,
  load: LoadWords,
  from: Int,
  wordBytes: number,
  rows: number,
  words: number,
  to: Int,
  stepBytes: number,
  seen: (word: number, value: I32) => void = () => {},
): void {
  const { lanes } = b.target;
  const [x, y] = [b.int(from), b.int(to)];
  const square = (count: number): void => {
    const row = (r: number): I32 => (r < rows ? load(x, r, 0, count) : b.constI(0));
    transposed(b, row, (column, value) => {
      if (column >= count) return;
      seen(column, value);
      b.store(at(y, column * stepBytes), value);
    });
  };
  b.for(0, Math.floor(words / lanes), 1, () => {
    square(lanes);
    b.add(x, lanes * wordBytes, x);
    b.add(y, lanes * stepBytes, y);
  });
  if (words % lanes > 0) square(words % lanes);
}

/** Calls `load` for each row in turn, `store` for each column. */
function transposed(b: TileBuilder, load: (row: number) => I32, store: (column: number, value: I32) => void): void {
  const { lanes } = b.target;
  // Four rows: vector c holds, in its four j, column 4 j + c of the four rows.
  const fours = Array.from({ length: lanes / 4 }, (_, g) => {
    const [r0, r1] = [load(4 * g), load(4 * g + 1)];
    const [a, c] = [b.shuffle("low", r0, r1), b.shuffle("high", r0, r1)];
    const [r2, r3] = [load(4 * g + 2), load(4 * g + 3)];
    const [d, e] = [b.shuffle("low", r2, r3), b.shuffle("high", r2, r3)];
    const pairs = (x: I32, y: I32): I32[] => [b.shuffle("lowPairs", x, y), b.shuffle("highPairs", x, y)];
    return [...pairs(a, d), ...pairs(c, e)];
  });
  for (let c = 0; c < 4; c++) {
    const parts = fours.map((four) => four[c]!);
    for (const [j, value] of among(b, parts).entries()) store(4 * j + c, value);
  }
}

/** Four j of vector g → four g of vector j. */
function among(b: TileBuilder, parts: readonly I32[]): readonly I32[] {
  if (parts.length === 1) return parts;
  const both = (x: I32, y: I32): [I32, I32] => [b.shuffle("evenFours", x, y), b.shuffle("oddFours", x, y)];
  const [even, odd] = both(parts[0]!, parts[1]!);
  if (parts.length === 2) return [even, odd];
  const [even2, odd2] = both(parts[2]!, parts[3]!);
  const [first, third] = both(even, even2);
  const [second, fourth] = both(odd, odd2);
  return [first, second, third, fourth];
}
