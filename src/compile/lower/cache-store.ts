/** The cache of keys and values, in blocks of 16 positions, and appending to it. */
import type { F32, I32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { vectorBytes } from "./rows.ts";

export const positionsPerBlock = 16;

/** What a number of the cache is kept as: f16 takes half the memory, and is rounded to nearest even. */
export type CacheType = "f32" | "f16";
export const cacheTypes: readonly CacheType[] = ["f16", "f32"];

export const numberBytes: Readonly<Record<CacheType, 2 | 4>> = { f32: 4, f16: 2 };

export interface CacheLayout {
  readonly kvHeads: number;
  readonly width: number;
  readonly cache: CacheType;
}

/** Bytes of one block's keys, or values, of one layer. */
export const blockBytes = ({ kvHeads, width, cache }: CacheLayout): number =>
  kvHeads * width * positionsPerBlock * numberBytes[cache];

/** The vector of cached numbers at `index` + `offset`, which count bytes of f32. */
export const loadCached = (b: TileBuilder, cache: CacheType, base: Int, offset: number): F32 =>
  cache === "f32" ? b.loadF(at(base, offset)) : b.loadF(at(base, offset / 2), "f16");

/** Scratch that appending takes: the keys of a token, rounded. */
export const cacheStoreScratch = ({ kvHeads, width, cache }: CacheLayout): number =>
  cache === "f32" ? 0 : vectorBytes(kvHeads * width);

/**
 * Appends a token's k and v, rows of `kvHeads` × `width`, to the cache, at `slot`: block × 16 + place. Keys are scattered: a
 * block keeps all positions of a channel side by side.
 */
export function emitCacheStore(
  b: TileBuilder,
  layout: CacheLayout,
  k: Int,
  v: Int,
  slot: Int,
  cacheK: Int,
  cacheV: Int,
  scratch: Int,
): void {
  const { kvHeads, width, cache } = layout;
  const { lanes } = b.target;
  const bytes = numberBytes[cache];
  const place = b.and(slot, 15);
  const block = b.mul(b.shr(slot, 4), blockBytes(layout));
  const headBytes = width * 4;
  if (cache === "f16") {
    b.for(0, kvHeads * headBytes, lanes * 4, (i) => b.store(at(scratch, 0, i), toHalf(b, b.loadF(at(k, 0, i)))));
  }
  b.for(0, kvHeads, 1, (g) => {
    const head = b.mul(g, headBytes);
    const start = b.add(block, b.mul(g, width * positionsPerBlock * bytes));
    const from = b.add(cache === "f16" ? scratch : k, head);
    const to = b.int(b.add(b.add(cacheK, start), b.mul(place, bytes)));
    b.for(0, width, 1, (c) => {
      b.storeInt(at(to), b.loadInt(at(from, 0, c, 4)), cache === "f16" ? "u16" : "i32");
      b.add(to, positionsPerBlock * bytes, to);
    });
    const values = b.int(b.add(b.add(cacheV, start), b.mul(place, width * bytes)));
    const row = b.add(v, head);
    b.for(0, headBytes, lanes * 4, (i) => {
      const x = b.loadF(at(row, 0, i));
      if (cache === "f32") b.store(at(values), x);
      // Stored halves are signed.
      else b.storeI16(at(values), b.shift("sar", b.shift("shl", toHalf(b, x), 16), 16));
      b.add(values, lanes * bytes, values);
    });
  });
}

const largestHalf = 65504;

/**
 * f32 to the bits of the nearest f16, ties to even, in the low half of each lane; beyond the largest, that. A magnitude in
 * [2^e, 2^(e+1)), e at least -14, has steps of 2^(e-10) as f16. Those are the steps of f32 from 2^(e+13) on, so adding that
 * number rounds, and what then stands below it counts the steps.
 */
export function toHalf(b: TileBuilder, x: F32): I32 {
  const bits = b.bitsI(x);
  const magnitude = b.fmin(b.bitsF(b.i32("and", bits, b.constI(0x7fffffff))), b.constF(largestHalf));
  const ofExponent = b.i32("and", b.bitsI(magnitude), b.constI(0x7f800000));
  const exponent = b.i32("max", ofExponent, b.constI(113 << 23));
  const large = b.i32("add", exponent, b.constI(13 << 23));
  const steps = b.i32("sub", b.bitsI(b.fadd(magnitude, b.bitsF(large))), large);
  const base = b.shift("shr", b.i32("sub", exponent, b.constI(113 << 23)), 13);
  const sign = b.i32("and", b.shift("shr", bits, 16), b.constI(0x8000));
  return b.i32("or", b.i32("add", base, steps), sign);
}
