/** Packed codes to bytes: in registers for a tile, or a whole panel into scratch. */
import { type BlockFormat, blockLayout, hasFactors, panelRows, sixOf, unpacked } from "../../block-format.ts";
import type { F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder, vector } from "../../tile-builder.ts";
import { type BlockCursor, blockCursor, eachPart, eachTurn } from "./block-cursor.ts";

/** Constants of a tile as registers, kept where there is room. */
export type Constants = (value: number) => I32;

export function constants(b: TileBuilder, values: Iterable<number>, kept: boolean): Constants {
  if (!kept) return (value) => b.constI(value);
  const registers = new Map([...new Set(values)].map((value) => [value, b.constI(value)]));
  return (value) => registers.get(value)!;
}

/** What the words of a format are masked with. */
export const masksOf = (f: BlockFormat): readonly number[] =>
  Array.from({ length: f.block / 4 }, (_, q) => f.bits(q).map(({ mask }) => mask))
    .flat()
    .filter((mask) => mask !== -1);

/** The four codes of quad `q` of a cursor's turn, for the rows of the vector at byte `column`. */
export function quad(
  b: TileBuilder,
  f: BlockFormat,
  masks: Constants,
  from: BlockCursor,
  column: number,
  q: number,
): I32 {
  const parts = f.bits(q).map(({ word, shift, mask }, part) => {
    const place = from.word(part, word, column);
    if (shift === 0 && mask !== -1) return b.i32("and", masks(mask), vector(place));
    const loaded = b.loadI(place);
    const moved = shift === 0 ? loaded : b.shift(shift > 0 ? "shl" : "shr", loaded, Math.abs(shift));
    return mask === -1 ? moved : b.i32("and", moved, masks(mask));
  });
  return parts.reduce((joined, part) => b.i32("or", joined, part));
}

/** What the codes of scales are multiplied with, for each vector; read once a block. */
export interface Factors {
  readonly scales: readonly F32[];
  readonly minima: readonly F32[];
  /** Bytes of `sixes` of a turn, which several codes share, where there is room to keep them. */
  readonly bytes: Map<string, I32> | undefined;
}

export function factorsOf(
  b: TileBuilder,
  f: BlockFormat,
  from: BlockCursor,
  columns: readonly number[],
  kept: boolean,
): Factors {
  const bytes = kept ? new Map<string, I32>() : undefined;
  const load = (part: "factor" | "minimumFactor"): F32[] => columns.map((c) => b.loadF(from.factor(part, c), "f16"));
  if (!hasFactors(f)) return { scales: [], minima: [], bytes };
  return { scales: load("factor"), minima: f.minima ? load("minimumFactor") : [], bytes };
}

/** The scale, or the minimum, of sub-block `sub` of a cursor's turn as f32: of the vector at `column`, the `i`th. */
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
  const place = from.scale(part, sub, column);
  if (f.scale === "float") return b.loadF(place);
  if (f.scale === "half") return b.loadF(place, "f16");
  const code =
    f.scale === "sixes" ? sixAt(b, factors, part, from, column, sub) : b.loadI(place, f.signed ? "i8" : "u8");
  return b.fmul(b.toF32(code), factors[part][i]!);
}

function sixAt(
  b: TileBuilder,
  { bytes }: Factors,
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
    and: (a, bits) => b.i32("and", a, b.constI(bits)),
    or: (x, y) => b.i32("or", x, y),
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

/** Writes the panel's codes as bytes and its scales as f32 to `to`, in the layout of `unpacked(f)`. */
export function unpackPanel(b: TileBuilder, f: BlockFormat, k: number, panel: Int, to: Int, ahead: number): void {
  const masks = constants(b, masksOf(f), true);
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
  const factors = factorsOf(b, f, from, [offset], true);
  eachTurn(b, from, () => {
    for (let q = 0; q < from.quads; q++) {
      const place = Math.floor(q / 8) * staged.bytes + staged.words + (q % 8) * panelRows * 4 + offset;
      b.store(at(to, place), quad(b, f, masks, from, offset, q));
    }
    for (let sub = 0; sub < (from.quads * 4) / f.subBlock; sub++) {
      const place = Math.floor(sub / subs) * staged.bytes + (sub % subs) * panelRows * 4 + offset;
      b.store(at(to, staged.scales + place), scaleOf(b, f, factors, "scales", from, 0, offset, sub));
      if (!f.minima) continue;
      b.store(at(to, staged.minima + place), scaleOf(b, f, factors, "minima", from, 0, offset, sub));
    }
    if (from.turns > 1) b.add(to, (from.quads / 8) * staged.bytes, to);
  });
}
