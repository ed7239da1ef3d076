/**
 * Embedding: one row of a packed table a token, dequantised and times a constant. The table's layout serves the product with
 * it, so a row is read word by word, and each word's codes one by one.
 */
import { type BlockFormat, blockFormats, blockLayout, panelRows, scaleBytes, sixOf } from "../block-format.ts";
import { type WeightFormat, weightLayout } from "../layout.ts";
import type { F32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { vectorBytes } from "./rows.ts";

export interface EmbedShape {
  readonly format: WeightFormat;
  readonly n: number;
  readonly k: number;
  readonly scale: number;
}

/** The row of `token` to `to`. */
export function emitEmbed(b: TileBuilder, { format, n, k, scale }: EmbedShape, token: Int, table: Int, to: Int): void {
  const { panelBytes } = weightLayout(format, n, k);
  const times = (v: F32): F32 => (scale === 1 ? v : b.fmul(v, b.constF(scale)));
  const panel = b.add(table, b.mul(b.shr(token, 5), panelBytes));
  const row = b.and(token, panelRows - 1);
  // The padding begins at a whole element and not at a whole vector.
  b.for(k * 4, vectorBytes(k), 4, (i) => b.storeLane(at(to, 0, i), b.constF(0)));
  if (format.kind === "blocks") return blocks(b, blockFormats[format.type], k, panel, row, to, times);
  const from = b.add(panel, b.shl(row, 2));
  b.for(0, k, 1, (column) => {
    if (format.kind === "f32") {
      return b.storeLane(at(to, 0, column, 4), times(b.broadcastF(at(b.add(from, b.mul(column, panelRows * 4))))));
    }
    const pair = b.add(from, b.mul(b.shr(column, 1), panelRows * 4));
    const bits = b.shl(b.loadInt(at(pair, 0, b.and(column, 1), 2), "u16"), 16);
    b.storeLane(at(to, 0, column, 4), times(b.bitsF(b.splat(bits))));
  });
}

function blocks(
  b: TileBuilder,
  f: BlockFormat,
  k: number,
  panel: Int,
  row: Int,
  out: Int,
  times: (v: F32) => F32,
): void {
  const layout = blockLayout(f);
  const [block, to] = [b.int(panel), b.int(out)];
  const words = b.shl(row, 2);
  b.for(0, k / f.block, 1, () => {
    for (let sub = 0; sub < f.block / f.subBlock; sub++) {
      const scale = rowScale(b, f, block, row, "scales", sub);
      const minimum = f.minima ? rowScale(b, f, block, row, "minima", sub) : undefined;
      for (let q = 0; q < f.subBlock / 4; q++) {
        const quad = rowQuad(b, f, b.add(block, words), (sub * f.subBlock) / 4 + q);
        for (let i = 0; i < 4; i++) {
          const code = b.toF32(b.splat(b.and(i === 0 ? quad : b.shr(quad, 8 * i), 255)));
          const weight = b.fmul(f.zero === 0 ? code : b.fsub(code, b.constF(f.zero)), scale);
          const value = times(minimum === undefined ? weight : b.fsub(weight, minimum));
          b.storeLane(at(to, (sub * f.subBlock + q * 4 + i) * 4), value);
        }
      }
    }
    b.add(block, layout.bytes, block);
    b.add(to, f.block * 4, to);
  });
}

function rowQuad(b: TileBuilder, f: BlockFormat, words: Int, q: number): Int {
  const layout = blockLayout(f);
  const parts = f.bits(q).map(({ word, shift, mask }) => {
    const loaded = b.loadInt(at(words, layout.word(word)));
    const moved = shift === 0 ? loaded : shift > 0 ? b.shl(loaded, shift) : b.shr(loaded, -shift);
    return mask === -1 ? moved : b.and(moved, mask);
  });
  return parts.reduce((joined, part) => b.or(joined, part));
}

function rowScale(b: TileBuilder, f: BlockFormat, block: Int, row: Int, part: "scales" | "minima", sub: number): F32 {
  const layout = blockLayout(f);
  const bytes = scaleBytes(f);
  const factor = at(block, part === "scales" ? layout.factor : layout.minimumFactor, row, 2);
  const times = (code: Int): F32 => b.fmul(b.toF32(b.splat(code)), half(b, b.loadInt(factor, "u16")));
  if (f.scale === "sixes") {
    const byte = (n: number): Int => b.loadInt(at(block, layout.six(sub >> 1, n), row), "u8");
    return times(sixOf(part, sub, byte, { and: b.and, shr: b.shr, orAnd: (x, y, bits) => b.or(x, b.and(y, bits)) }));
  }
  const place = at(block, layout.scale(part, sub), row, bytes);
  if (f.scale === "float") return b.broadcastF(place);
  if (f.scale === "half") return half(b, b.loadInt(place, "u16"));
  const code = b.loadInt(place, "u8");
  return times(f.signed ? b.sub(b.xor(code, 128), 128) : code);
}

/** A finite binary16 in the low bits to f32: the exponent and fraction in place, rebiased by a multiplication. */
function half(b: TileBuilder, bits: Int): F32 {
  const magnitude = b.bitsF(b.splat(b.shl(b.and(bits, 0x7fff), 13)));
  const sign = b.splat(b.shl(b.and(bits, 0x8000), 16));
  return b.bitsF(b.i32("or", b.bitsI(b.fmul(magnitude, b.constF(2 ** 112))), sign));
}
