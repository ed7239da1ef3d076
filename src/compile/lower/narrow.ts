/**
 * Activations to bf16, rounded to nearest even: pairs where the target multiplies pairs, else f32 whose low half is zero.
 * Padding stays zero, so an odd width ends in a pair whose second element is.
 */
import type { I32, Int, Target } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import type { Load } from "./rows.ts";

/** Bytes of a narrowed number. */
export const narrowBytes = (target: Target): number => (target.dotBf16 ? 2 : 4);

/** `bytes` of a row to `out`. */
export function emitNarrow(b: TileBuilder, bytes: number, x: Load, out: Int): void {
  const { lanes, dotBf16 } = b.target;
  const to = b.int(out);
  b.for(0, bytes, lanes * 4, (i) => {
    const rounded = roundToBf16(b, b.bitsI(x(i, 0)));
    if (dotBf16) b.storeI16(at(to), b.shift("sar", rounded, 16));
    else b.store(at(to), b.i32("and", rounded, b.constI(0xffff0000 | 0)));
    b.add(to, lanes * narrowBytes(b.target), to);
  });
}

/** The high half is the nearest bf16, ties to even; the low half is what is left over. */
export function roundToBf16(b: TileBuilder, bits: I32): I32 {
  const last = b.i32("and", b.shift("shr", bits, 16), b.constI(1));
  return b.i32("add", bits, b.i32("add", last, b.constI(0x7fff)));
}
