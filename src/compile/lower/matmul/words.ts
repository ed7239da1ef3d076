/**
 * Operands become words along K: rows whose K lies one after the other are copied, columns whose K is a row apart are loaded,
 * rounded or paired. What is read is the operand's own; what is written may be longer, by zeros.
 */

import type { Address, F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";
import { roundToBf16 } from "../narrow.ts";
import { type ElementType, elementBytes, type Words } from "./shape.ts";

type Kind = Words["kind"];

/** Elements as they lie in memory, `rowBytes` from a row to the next. */
export interface Source {
  readonly type: ElementType;
  readonly rowBytes: number;
}

/**
 * A vector of words: `count` of them, zeros behind. They are those of row `row` and of column `skip` and on, counted from the
 * element that `from` points at.
 */
export type LoadWords = (from: Int, row: number, skip: number, count: number) => I32;

const upper = 0xffff0000 | 0;

/** Floats rounded to bf16, in the upper halves. */
const rounded = (b: TileBuilder, x: F32): I32 => b.i32("and", roundToBf16(b, b.bitsI(x)), b.constI(upper));

/** `count` of a vector's elements as f32, zeros behind them. */
function loadFloats(b: TileBuilder, type: "f32" | "bf16", place: Address, count: number): F32 {
  const { lanes } = b.target;
  if (count === lanes) return b.loadF(place, type === "f32" ? "32" : "bf16");
  if (type === "f32") return b.loadPartF(place, count);
  // No level loads some halves alone: they are put together in the scratch's first vector.
  b.store(at(b.scratch), b.constF(0));
  for (let i = 0; i < count; i++) {
    const half = b.loadInt({ ...place, offset: place.offset + 2 * i }, "u16");
    b.storeInt(at(b.scratch, 4 * i), b.shl(half, 16));
  }
  return b.loadF(at(b.scratch));
}

/** `count` bytes, each in a lane. */
function loadBytes(b: TileBuilder, place: Address, count: number): I32 {
  if (count === b.target.lanes) return b.loadI(place, "u8");
  b.store(at(b.scratch), b.constI(0));
  for (let i = 0; i < count; i++) {
    b.storeInt(at(b.scratch, 4 * i), b.loadInt({ ...place, offset: place.offset + i }, "u8"));
  }
  return b.loadI(at(b.scratch));
}

/** Bytes of scratch that loads may use: what else lies there begins behind them. */
export const partBytes = 64;

/** A row of `elements` from `from` on, as words at `to`; whole vectors are written, so that `rowRoom` bytes of room are needed. */
export function copyRow(b: TileBuilder, kind: Kind, source: Source, from: Int, elements: number, to: Int): void {
  const { lanes } = b.target;
  const { type } = source;
  if (type === "i8") return kind === "quads" ? copyQuads(b, from, elements, to) : copyHalves(b, from, elements, to);
  if (kind === "pairs" && type === "bf16") return copyPairs(b, from, elements, to);
  const once = (x: Int, y: Int, count: number): void => {
    const floats = loadFloats(b, type, at(x), count);
    if (kind === "f32" || type === "bf16") b.store(at(y), floats);
    else if (kind === "rounded") b.store(at(y), rounded(b, floats));
    else b.storeI16(at(y), b.shift("sar", roundToBf16(b, b.bitsI(floats)), 16));
  };
  const [x, y] = [b.int(from), b.int(to)];
  b.for(0, Math.floor(elements / lanes), 1, () => {
    once(x, y, lanes);
    b.add(x, lanes * (type === "f32" ? 4 : 2), x);
    b.add(y, lanes * (kind === "pairs" ? 2 : 4), y);
  });
  // An odd last element gets a zero beside it.
  if (elements % lanes > 0) once(x, y, elements % lanes);
}

/** Bytes that `copyRow` may write; an odd number of lines, so that rows fall on different lines of the nearest cache. */
export function rowRoom(words: number): number {
  const lines = Math.ceil(words / 16) + 1;
  return 64 * (lines + (lines % 2 === 0 ? 1 : 0));
}

/** Words as they are. Gives where the last few lie and go, and how many those are. */
function copyWords(
  b: TileBuilder,
  from: Int,
  words: number,
  to: Int,
): { readonly x: Int; readonly y: Int; rest: number } {
  const { lanes } = b.target;
  const [x, y] = [b.int(from), b.int(to)];
  b.for(0, Math.floor(words / lanes), 1, () => {
    b.store(at(y), b.loadI(at(x)));
    b.add(x, lanes * 4, x);
    b.add(y, lanes * 4, y);
  });
  const rest = words % lanes;
  if (rest > 0) b.store(at(y), b.loadPartI(at(x), rest));
  return { x, y, rest };
}

function copyPairs(b: TileBuilder, from: Int, elements: number, to: Int): void {
  const { x, y, rest } = copyWords(b, from, elements >> 1, to);
  if (elements % 2 === 1) b.storeInt(at(y, 4 * rest), b.loadInt(at(x, 4 * rest), "u16"));
}

function copyQuads(b: TileBuilder, from: Int, elements: number, to: Int): void {
  const { x, y, rest } = copyWords(b, from, elements >> 2, to);
  if (elements % 4 > 0) b.storeInt(at(y, 4 * rest), b.int(0));
  for (let i = 4 * rest; i < 4 * rest + (elements % 4); i++) b.storeInt(at(y, i), b.loadInt(at(x, i), "u8"), "u8");
}

/** Signed bytes as i16. */
function copyHalves(b: TileBuilder, from: Int, elements: number, to: Int): void {
  const { lanes } = b.target;
  const signed = (x: I32): I32 => b.shift("sar", b.shift("shl", x, 24), 24);
  const [x, y] = [b.int(from), b.int(to)];
  b.for(0, Math.floor(elements / lanes), 1, () => {
    b.storeI16(at(y), b.loadI(at(x), "i8"));
    b.add(x, lanes, x);
    b.add(y, lanes * 2, y);
  });
  const rest = elements % lanes;
  if (rest > 0) b.storeI16(at(y), signed(loadBytes(b, at(x), rest)));
}

/** Words that lie one after the other as they are, rows `rowBytes` apart. */
export const wordsAsTheyAre =
  (b: TileBuilder, rowBytes: number): LoadWords =>
  (from, row, skip, count) => {
    const place = at(from, row * rowBytes + skip * 4);
    return count === b.target.lanes ? b.loadI(place) : b.loadPartI(place, count);
  };

/** Words whose K is a row of elements apart: word `row` of `elements` in all is one row's element, or those of two. */
export function wordsAcross(b: TileBuilder, kind: Kind, source: Source, elements: number): LoadWords {
  const { type, rowBytes } = source;
  if (type === "i8") return bytesAcross(b, kind, rowBytes, elements);
  const size = elementBytes[type];
  return (from, row, skip, count) => {
    const bits = (element: number): I32 => {
      if (element >= elements) return b.constI(0);
      const value = loadFloats(b, type, at(from, element * rowBytes + skip * size), count);
      return type === "bf16" || kind === "f32" ? b.bitsI(value) : rounded(b, value);
    };
    if (kind !== "pairs") return bits(row);
    return b.i32("or", b.shift("shr", bits(2 * row), 16), bits(2 * row + 1));
  };
}

function bytesAcross(b: TileBuilder, kind: Kind, rowBytes: number, elements: number): LoadWords {
  return (from, row, skip, count) => {
    const byte = (element: number): I32 =>
      element < elements ? loadBytes(b, at(from, element * rowBytes + skip), count) : b.constI(0);
    // Its upper bits become the byte's sign, or go out.
    const moved = (element: number, by: number): I32 => b.shift("shl", byte(element), by);
    if (kind === "halves") {
      const low = b.shift("shr", b.shift("sar", moved(2 * row, 24), 8), 16);
      return b.i32("or", low, b.i32("and", b.shift("sar", moved(2 * row + 1, 24), 8), b.constI(upper)));
    }
    const pair = (first: number): I32 => b.i32("or", byte(first), moved(first + 1, 8));
    return b.i32("or", pair(4 * row), b.shift("shl", pair(4 * row + 2), 16));
  };
}
