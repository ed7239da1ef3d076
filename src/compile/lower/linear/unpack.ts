/** Packed codes to bytes: in registers for a tile, or a whole panel into scratch. */
import { type BlockFormat, blockLayout, panelRows, scaleBytes, unpacked } from "../../block-format.ts";
import type { F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";

/** Masks of a format as registers, where the target has room to keep them. */
export type Masks = (mask: number) => I32;

export function masksOf(b: TileBuilder, f: BlockFormat): Masks {
  if (b.target.registers < 24) return (mask) => b.constI(mask);
  const all = new Set(Array.from({ length: f.block / 4 }, (_, q) => f.bits(q).map((bits) => bits.mask)).flat());
  const kept = new Map([...all].filter((m) => m !== -1).map((m) => [m, b.constI(m)]));
  return (mask) => kept.get(mask)!;
}

/** The four codes of quad `q` of the block at `block`, for the rows of the vector at byte `column`. */
export function quad(b: TileBuilder, f: BlockFormat, masks: Masks, block: Int, column: number, q: number): I32 {
  const { words } = blockLayout(f);
  const parts = f.bits(q).map(({ word, shift, mask }) => {
    const loaded = b.loadI(at(block, words + word * panelRows * 4 + column));
    const moved = shift === 0 ? loaded : b.shift(shift > 0 ? "shl" : "shr", loaded, Math.abs(shift));
    return mask === -1 ? moved : b.i32("and", moved, masks(mask));
  });
  return parts.reduce((joined, part) => b.i32("or", joined, part));
}

/** What the bytes of `codes` formats are multiplied with, for each vector; read once a block. */
export interface Factors {
  readonly scales: readonly F32[];
  readonly minima: readonly F32[];
}

export function factorsOf(b: TileBuilder, f: BlockFormat, block: Int, columns: readonly number[]): Factors {
  const { factor, minimumFactor } = blockLayout(f);
  const load = (from: number): F32[] => columns.map((c) => b.loadF(at(block, from + c / 2), "f16"));
  if (f.scale !== "codes") return { scales: [], minima: [] };
  return { scales: load(factor), minima: f.minima ? load(minimumFactor) : [] };
}

/** The scale, or the minimum, of sub-block `sub` as f32. */
export function scaleOf(
  b: TileBuilder,
  f: BlockFormat,
  factor: F32 | undefined,
  part: "scales" | "minima",
  block: Int,
  column: number,
  sub: number,
): F32 {
  const bytes = scaleBytes(f);
  const place = at(block, blockLayout(f)[part] + sub * panelRows * bytes + (column / 4) * bytes);
  if (f.scale === "float") return b.loadF(place);
  if (f.scale === "half") return b.loadF(place, "f16");
  return b.fmul(b.toF32(b.loadI(place, f.signed ? "i8" : "u8")), factor!);
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
  const staged = blockLayout(unpacked(f));
  const masks = masksOf(b, f);
  const subs = 32 / f.subBlock;
  const [from, into] = [b.int(panel), b.int(to)];
  b.for(0, k / f.block, 1, () => {
    const lines = ahead > 0 ? blockLayout(f).bytes / 64 : 0;
    for (let line = 0; line < lines; line++) b.prefetch(at(from, ahead + line * 64));
    for (let column = 0; column < panelRows * 4; column += b.target.lanes * 4) {
      const lines = Math.ceil((blockLayout(f).bytes / 64) * ((b.target.lanes * 4) / (panelRows * 4)));
      const first = (column / (b.target.lanes * 4)) * lines;
      if (ahead > 0) for (let line = first; line < first + lines; line++) b.prefetch(at(from, ahead + line * 64));
      const factors = factorsOf(b, f, from, [column]);
      for (let q = 0; q < f.block / 4; q++) {
        const place = Math.floor(q / 8) * staged.bytes + staged.words + (q % 8) * panelRows * 4 + column;
        b.store(at(into, place), quad(b, f, masks, from, column, q));
      }
      for (let sub = 0; sub < f.block / f.subBlock; sub++) {
        const place = Math.floor(sub / subs) * staged.bytes + (sub % subs) * panelRows * 4 + column;
        b.store(at(into, staged.scales + place), scaleOf(b, f, factors.scales[0], "scales", from, column, sub));
        if (!f.minima) continue;
        b.store(at(into, staged.minima + place), scaleOf(b, f, factors.minima[0], "minima", from, column, sub));
      }
    }
    b.add(from, blockLayout(f).bytes, from);
    b.add(into, (f.block / 32) * staged.bytes, into);
  });
}
