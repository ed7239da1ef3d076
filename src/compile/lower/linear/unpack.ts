/** Packed codes to bytes: in registers for a tile, or a whole panel into scratch. */
import { assert } from "../../../core/errors.ts";
import { type BlockFormat, blockLayout, hasFactors, panelRows, sixOf, unpacked } from "../../block-format.ts";
import type { Address, F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder, vector } from "../../tile-builder.ts";
import { type BlockCursor, blockCursor, eachPart, eachTurn } from "./block-cursor.ts";

/** Constants of a tile as registers: those that are kept, and others anew each time. */
export type Constants = (value: number) => I32;

export function constants(b: TileBuilder, kept: Iterable<number>): Constants {
  const registers = new Map([...new Set(kept)].map((value) => [value, b.constI(value)]));
  return (value) => registers.get(value) ?? b.constI(value);
}

/** What the words of a format are masked with. */
export const masksOf = (f: BlockFormat): readonly number[] =>
  Array.from({ length: f.block / 4 }, (_, q) => f.bits(q).map(({ mask }) => mask))
    .flat()
    .filter((mask) => mask !== -1);

/** The quads so that those with the same words follow each other. */
export function byWords(f: BlockFormat, quads: readonly number[]): number[] {
  const word = (q: number, part: number): number => f.bits(q).at(part)!.word;
  return quads.toSorted((p, q) => word(p, -1) - word(q, -1) || word(p, 0) - word(q, 0) || p - q);
}

/** A word that several quads have, loaded when the first of them asks; none where only one does. */
export type HeldWords = (word: number, column: number) => I32 | undefined;

export function heldWords(b: TileBuilder, f: BlockFormat, from: BlockCursor, quads: readonly number[]): HeldWords {
  const words = quads.flatMap((q) => f.bits(q).map(({ word }) => word));
  const shared = new Set(words.filter((word, i) => words.indexOf(word) < i));
  const held = new Map<string, I32>();
  return (word, column) => {
    if (!shared.has(word)) return undefined;
    const key = `${word} ${column}`;
    const value = held.get(key) ?? b.loadI(from.word(word, column));
    held.set(key, value);
    return value;
  };
}

/** The four codes of quad `q` of a cursor's turn, for the rows of the vector at byte `column`. */
export function quad(
  b: TileBuilder,
  f: BlockFormat,
  masks: Constants,
  from: BlockCursor,
  column: number,
  q: number,
  held?: HeldWords,
): I32 {
  let joined: I32 | undefined;
  for (const { word, shift, mask } of f.bits(q)) {
    const place = from.word(word, column);
    const known = held?.(word, column);
    if (mask === -1) return known ?? b.loadI(place);
    const moved = (): I32 => b.shift(shift > 0 ? "shl" : "shr", known ?? b.loadI(place), Math.abs(shift));
    const bits = shift === 0 ? (known ?? vector(place)) : moved();
    joined = joined === undefined ? b.i32("and", masks(mask), bits) : b.andOr(joined, masks(mask), bits);
  }
  assert(joined !== undefined, () => `quad ${q} has no bits`);
  return joined;
}

/** What the codes of six bits are masked with (`sixOf`). */
export const sixMasksOf = ({ scale }: BlockFormat): readonly number[] => (scale === "sixes" ? [0x3f, 0x0c, 0x30] : []);

/** What the codes of scales are multiplied with, for each vector, that of the minima negated; read once a block. */
export interface Factors {
  readonly scales: readonly F32[];
  readonly minima: readonly F32[];
  readonly known: Constants;
  /** Bytes of `sixes` of a turn, which several codes share, where there is room to keep them. */
  readonly bytes: Map<string, I32> | undefined;
}

export function factorsOf(
  b: TileBuilder,
  f: BlockFormat,
  from: BlockCursor,
  columns: readonly number[],
  known: Constants,
  kept: boolean,
): Factors {
  const bytes = kept ? new Map<string, I32>() : undefined;
  const load = (part: "factor" | "minimumFactor"): F32[] => columns.map((c) => b.loadF(from.factor(part, c), "f16"));
  if (!hasFactors(f)) return { scales: [], minima: [], known, bytes };
  const minima = f.minima ? load("minimumFactor").map((factor) => negated(b, factor)) : [];
  return { scales: load("factor"), minima, known, bytes };
}

const negated = (b: TileBuilder, x: F32): F32 => b.fsub(b.constF(0), x);

/** The scale, or the minimum negated, of sub-block `sub` of a cursor's turn as f32: of the vector at `column`, the `i`th. */
export function scaleOf(
  b: TileBuilder,
  f: BlockFormat,
  factors: Factors,
  part: "scales" | "minima",
  from: BlockCursor,
  i: number,
  column: number,
  sub: number,
): F32 {
  const place = (): Address => from.scale(part, sub, column);
  if (f.scale === "float") return b.loadF(place());
  if (f.scale === "half") {
    const value = b.loadF(place(), "f16");
    return part === "minima" ? negated(b, value) : value;
  }
  const code =
    f.scale === "sixes" ? sixAt(b, factors, part, from, column, sub) : b.loadI(place(), f.signed ? "i8" : "u8");
  return b.fmul(b.toF32(code), factors[part][i]!);
}

function sixAt(
  b: TileBuilder,
  { bytes, known }: Factors,
  part: "scales" | "minima",
  from: BlockCursor,
  column: number,
  sub: number,
): I32 {
  const byte = (n: number): I32 => {
    const key = `${column} ${sub >> 1} ${n}`;
    const value = bytes?.get(key) ?? b.loadI(from.six(sub >> 1, n, column), "u8");
    bytes?.set(key, value);
    return value;
  };
  return sixOf(part, sub, byte, {
    and: (a, bits) => b.i32("and", a, known(bits)),
    orAnd: (x, y, bits) => b.andOr(x, y, known(bits)),
    shr: (a, bits) => b.shift("shr", a, bits),
  });
}

export interface Staged {
  readonly format: BlockFormat;
  readonly bytes: number;
}

export function stagedBlocks(f: BlockFormat, k: number): Staged {
  const format = unpacked(f);
  return { format, bytes: (k / format.block) * blockLayout(format).bytes };
}

/** Writes the panel's codes as bytes, its scales and negated minima as f32 to `to`, in the layout of `unpacked(f)`. */
export function unpackPanel(b: TileBuilder, f: BlockFormat, k: number, panel: Int, to: Int, ahead: number): void {
  const masks = constants(b, b.target.lanes === 16 ? [...masksOf(f), ...sixMasksOf(f)] : masksOf(f));
  const lines = blockLayout(f).bytes / 64;
  const [from, into] = [b.int(panel), b.int(to)];
  b.for(0, k / f.block, 1, () => {
    const fetchLines = (first: number, end: number): void => {
      for (let line = Math.ceil(first); ahead > 0 && line < end; line++) b.prefetch(at(from, ahead + line * 64));
    };
    if (b.target.lanes < 16) fetchLines(0, lines);
    eachPart(b, 1, ([offset = 0], column) => {
      // Evenly: a burst would fill the queues.
      const share = (lines * b.target.lanes) / panelRows;
      if (column === undefined)
        fetchLines((offset / 4 / b.target.lanes) * share, (offset / 4 / b.target.lanes + 1) * share);
      unpackBlock(b, f, masks, from, into, offset, column);
    });
    b.add(from, blockLayout(f).bytes, from);
    b.add(into, (f.block / 32) * blockLayout(unpacked(f)).bytes, into);
  });
}

function unpackBlock(
  b: TileBuilder,
  f: BlockFormat,
  masks: Constants,
  block: Int,
  into: Int,
  offset: number,
  column: Int | undefined,
): void {
  const staged = blockLayout(unpacked(f));
  const subs = 32 / f.subBlock;
  const from = blockCursor(b, f, block, column);
  const to = column === undefined ? into : b.add(into, column);
  const factors = factorsOf(b, f, from, [offset], masks, true);
  eachTurn(b, from, () => {
    for (let q = 0; q < from.quads; q++) {
      const place = Math.floor(q / 8) * staged.bytes + staged.word(q % 8) + offset;
      b.store(at(to, place), quad(b, f, masks, from, offset, q));
    }
    for (let sub = 0; sub < (from.quads * 4) / f.subBlock; sub++) {
      const place = (part: "scales" | "minima"): Address =>
        at(to, Math.floor(sub / subs) * staged.bytes + staged.scale(part, sub % subs) + offset);
      b.store(place("scales"), scaleOf(b, f, factors, "scales", from, 0, offset, sub));
      if (f.minima) b.store(place("minima"), scaleOf(b, f, factors, "minima", from, 0, offset, sub));
    }
    if (from.turns > 1) b.add(to, (from.quads / 8) * staged.bytes, to);
  });
}
