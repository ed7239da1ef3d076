/**
 * Activations to bf16, rounded to nearest even: pairs where the target multiplies pairs, else f32 whose low half is zero.
 * Padding stays zero, so an odd width ends in a pair whose second element is.
 */
import { narrowRowBytes, rowFloats } from "../layout.ts";
import type { I32, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";

/** Parameters x, narrowed; an item is a row of `k`. */
export function lowerNarrow(target: Target, k: number): TileProgram {
  const b = new TileBuilder(target);
  const [x, out] = [b.param(), b.param()];
  const stride = rowFloats(k) * 4;
  b.for(b.begin, b.end, 1, (row) => {
    const from = b.add(x, b.mul(row, stride));
    const to = b.int(b.add(out, b.mul(row, narrowRowBytes(k, target.dotBf16))));
    const bytes = target.lanes * (target.dotBf16 ? 2 : 4);
    b.for(0, stride, target.lanes * 4, (i) => {
      const rounded = roundToBf16(b, b.bitsI(b.loadF(at(from, 0, i))));
      if (target.dotBf16) b.storeI16(at(to), b.shift("sar", rounded, 16));
      else b.store(at(to), b.i32("and", rounded, b.constI(0xffff0000 | 0)));
      b.add(to, bytes, to);
    });
  });
  return b.finish(`narrow-${k}`);
}

/** The high half is the nearest bf16, ties to even; the low half is what is left over. */
function roundToBf16(b: TileBuilder, bits: I32): I32 {
  const last = b.i32("and", b.shift("shr", bits, 16), b.constI(1));
  return b.i32("add", bits, b.i32("add", last, b.constI(0x7fff)));
}
