/**
 * Operands become words along K: rows whose K lies one after the other, or columns whose K is a row apart, are copied, rounded
 * or paired. What is read is the operand's own; what is written may be longer, by zeros.
 */

import type { F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";
import { roundToBf16 } from "../narrow.ts";
import type { Words } from "./shape.ts";

type Kind = Words["kind"];

/** Elements as they lie in memory, `rowBytes` from a row to the next. */
export interface Source {
  readonly type: "f32" | "bf16";
  readonly rowBytes: number;
}

const upper = 0xffff0000 | 0;

/** Floats rounded to bf16, in the upper halves. */
const rounded = (b: TileBuilder, x: F32): I32 => b.i32("and", roundToBf16(b, b.bitsI(x)), b.constI(upper));

/** `count` of a vector's elements as f32, zeros behind them. */
function loadFloats(b: TileBuilder, type: Source["type"], from: Int, offset: number, count: number): F32 {
  const { lanes } = b.target;
  if (count === lanes) return b.loadF(at(from, offset), type === "f32" ? "32" : "bf16");
  if (type === "f32") return b.loadPartF(at(from, offset), count);
  // No level loads some halves alone: they are put together in the scratch's first vectors.
  b.store(at(b.scratch), b.constF(0));
  for (let i = 0; i < count; i++) {
    b.storeInt(at(b.scratch, 4 * i), b.shl(b.loadInt(at(from, offset + 2 * i), "u16"), 16));
  }
  return b.loadF(at(b.scratch));
}

/** Bytes of scratch that `loadFloats` may write: copies begin behind them. */
export const partBytes = 64;

/**
 * A row of `elements` from `from` on, as words at `to`; whole vectors are written, so that `rowRoom` bytes of room are needed.
 */
export function copyRow(b: TileBuilder, kind: Kind, source: Source, from: Int, elements: number, to: Int): void {
  const { lanes } = b.target;
  const size = source.type === "f32" ? 4 : 2;
  if (kind === "pairs" && source.type === "bf16") return copyPairs(b, from, elements, to);
  const wordBytes = kind === "pairs" ? 2 : 4;
  const once = (x: Int, y: Int, count: number): void => {
    if (kind === "f32") return b.store(at(y), loadFloats(b, source.type, x, 0, count));
    const whole = loadFloats(b, source.type, x, 0, count);
    if (source.type === "bf16") return b.store(at(y), whole);
    if (kind === "rounded") b.store(at(y), rounded(b, whole));
    else b.storeI16(at(y), b.shift("sar", roundToBf16(b, b.bitsI(whole)), 16));
  };
  const [x, y] = [b.int(from), b.int(to)];
  b.for(0, Math.floor(elements / lanes), 1, () => {
    once(x, y, lanes);
    b.add(x, lanes * size, x);
    b.add(y, lanes * wordBytes, y);
  });
  const rest = elements % lanes;
  // An odd last element gets a zero beside it.
  if (rest > 0) once(x, y, rest);
}

/** Bytes that `copyRow` may write. */
export const rowRoom = (words: number): number => words * 4 + 64;

function copyPairs(b: TileBuilder, from: Int, elements: number, to: Int): void {
  const { lanes } = b.target;
  const pairs = elements >> 1;
  const [x, y] = [b.int(from), b.int(to)];
  b.for(0, Math.floor(pairs / lanes), 1, () => {
    b.store(at(y), b.loadI(at(x)));
    b.add(x, lanes * 4, x);
    b.add(y, lanes * 4, y);
  });
  const rest = pairs % lanes;
  if (rest > 0) b.store(at(y), b.loadPartI(at(x), rest));
  if (elements % 2 === 1) b.storeInt(at(y, 4 * rest), b.loadInt(at(x, 4 * rest), "u16"));
}

/**
 * Columns whose K is a row apart: `counts` says how many elements of each vector there are. Word `s` of all goes to
 * `to + s × stepBytes`; whole vectors are written, in that order, so that narrow steps overwrite what is too much.
 */
export function copyColumns(
  b: TileBuilder,
  kind: Kind,
  source: Source,
  from: Int,
  elements: number,
  counts: readonly number[],
  to: Int,
  stepBytes: number,
): void {
  const vectorBytes = b.target.lanes * (source.type === "f32" ? 4 : 2);
  const [x, y] = [b.int(from), b.int(to)];
  const load = (row: Int, v: number): F32 => loadFloats(b, source.type, row, v * vectorBytes, counts[v]!);
  const bits = (row: Int, v: number): I32 => {
    const value = load(row, v);
    return source.type === "bf16" ? b.bitsI(value) : rounded(b, value);
  };
  const store = (v: number, offset: number, value: F32 | I32): void =>
    b.store(at(y, offset + v * b.target.lanes * 4), value);
  const each = (write: (v: number) => void): void => void counts.forEach((_, v) => void write(v));
  const step = (rows: 1 | 2): void => {
    if (kind === "pairs") {
      const odd = rows === 2 ? b.add(x, source.rowBytes) : undefined;
      each((v) => {
        const low = b.shift("shr", bits(x, v), 16);
        store(v, 0, odd === undefined ? low : b.i32("or", low, bits(odd, v)));
      });
      b.add(y, stepBytes, y);
    } else {
      for (let i = 0; i < rows; i++) {
        const row = i === 0 ? x : b.add(x, source.rowBytes);
        each((v) => store(v, i * stepBytes, kind === "f32" ? load(row, v) : bits(row, v)));
      }
      if (rows === 1 && kind === "rounded") each((v) => store(v, stepBytes, b.constF(0)));
      b.add(y, 2 * stepBytes, y);
    }
    b.add(x, 2 * source.rowBytes, x);
  };
  b.for(0, elements >> 1, 1, () => step(2));
  if (elements % 2 === 1) step(1);
}
