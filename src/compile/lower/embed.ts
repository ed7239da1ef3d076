/** Embedding: one row of a packed table a token, dequantised and times a constant. Parameters tokens, table, out. */
import { byteOrder, rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";

export function lowerEmbed(
  target: Target,
  format: WeightFormat,
  shape: { n: number; k: number },
  scale: number,
): TileProgram {
  const b = new TileBuilder(target);
  const [tokens, table, out] = [b.param(), b.param(), b.param()];
  const layout = weightLayout(format, shape.n, shape.k);
  const stride = rowFloats(shape.k) * 4;
  b.for(b.begin, b.end, 1, (item) => {
    const token = b.loadInt(at(tokens, 0, item, 4));
    const base = b.add(table, b.mul(b.shr(token, 4), layout.groupBytes));
    const row = b.and(token, 15);
    const to = b.add(out, b.mul(item, stride));
    b.for(shape.k * 4, stride, target.lanes * 4, (i) => b.store(at(to, 0, i), b.constF(0)));
    const times = (v: F32): F32 => (scale === 1 ? v : b.fmul(v, b.constF(scale)));
    if (format.kind === "int8") return quantised(b, format, shape.k, layout, base, row, to, times);
    const bytes = format.kind === "f32" ? 4 : 2;
    const from = b.add(base, b.mul(row, bytes));
    // One element at a time: the table's layout serves the product with it, and this reads a single row.
    b.for(0, shape.k, 1, (k) => {
      const element = at(b.add(from, b.mul(k, 16 * bytes)));
      const v = format.kind === "f32" ? b.broadcastF(element) : b.bitsF(b.splat(b.shl(b.loadInt(element, "u16"), 16)));
      b.storeLane(at(to, 0, k, 4), times(v));
    });
  });
  return b.finish(`embed-${format.kind}-${shape.k}`);
}

type Int8 = Extract<WeightFormat, { kind: "int8" }>;

function quantised(
  b: TileBuilder,
  format: Int8,
  k: number,
  layout: { readonly minima: number; readonly codes: number },
  base: Int,
  row: Int,
  to: Int,
  times: (v: F32) => F32,
): void {
  const scaleBytes = format.halfScale ? 2 : 4;
  const codes = b.add(b.add(base, layout.codes), b.shl(row, 2));
  const order = byteOrder(b.target.dot4);
  b.for(0, k / format.subBlock, 1, (sub) => {
    const scaleAt = at(b.add(b.add(base, b.mul(row, scaleBytes)), b.mul(sub, 16 * scaleBytes)));
    const scale = format.halfScale ? half(b, b.loadInt(scaleAt, "u16")) : b.broadcastF(scaleAt);
    const minimum = format.symmetric
      ? undefined
      : b.broadcastF(at(b.add(b.add(base, b.shl(row, 2)), b.shl(sub, 6)), layout.minima));
    const block = b.add(codes, b.mul(sub, format.subBlock * 16));
    const target = b.add(to, b.mul(sub, format.subBlock * 4));
    for (let i = 0; i < format.subBlock; i++) {
      const byte = Math.floor(i / 4) * 64 + order.indexOf(i % 4);
      const code = b.toF32(b.splat(b.loadInt(at(block, byte), "u8")));
      const centred = format.symmetric ? b.fsub(code, b.constF(128)) : code;
      const weight = b.fmul(centred, scale);
      b.storeLane(at(target, i * 4), times(minimum === undefined ? weight : b.fsub(weight, minimum)));
    }
  });
}

/** A finite binary16 in the low bits to f32: the exponent and fraction in place, rebiased by a multiplication. */
function half(b: TileBuilder, bits: Int): F32 {
  const magnitude = b.bitsF(b.splat(b.shl(b.and(bits, 0x7fff), 13)));
  const sign = b.splat(b.shl(b.and(bits, 0x8000), 16));
  return b.bitsF(b.i32("or", b.bitsI(b.fmul(magnitude, b.constF(2 ** 112))), sign));
}
