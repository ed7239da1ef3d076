/**
 * The K formats: super-blocks of 256 whose sub-blocks have small integer scales times one f16.
 *
 * The products are taken in f32, as GGML takes them; an f16 times a 6- or 8-bit integer is exact there.
 */
import { halves } from "./half-table.ts";

/** f16 d, f16 dmin, 12 bytes of eight 6-bit scales and minima, 128 bytes of nibbles: sub-block 2g low, 2g + 1 high. */
export function unpackQ4K(
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima: Float32Array,
): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 144, c += 256) {
    sixBitScales(bytes, p, scales, minima, b * 8);
    for (let group = 0; group < 4; group++) {
      const from = p + 16 + group * 32;
      const to = c + group * 64;
      for (let j = 0; j < 32; j++) {
        const pair = bytes[from + j]!;
        codes[to + j] = pair & 15;
        codes[to + 32 + j] = pair >> 4;
      }
    }
  }
}

/** As Q4_K, with 32 bytes of fifth bits before the nibbles: bit s of byte j belongs to element j of sub-block s. */
export function unpackQ5K(
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima: Float32Array,
): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 176, c += 256) {
    sixBitScales(bytes, p, scales, minima, b * 8);
    for (let group = 0; group < 4; group++) {
      const from = p + 48 + group * 32;
      const to = c + group * 64;
      for (let j = 0; j < 32; j++) {
        const pair = bytes[from + j]!;
        const fifth = bytes[p + 16 + j]! >> (2 * group);
        codes[to + j] = (pair & 15) | ((fifth & 1) << 4);
        codes[to + 32 + j] = (pair >> 4) | ((fifth & 2) << 3);
      }
    }
  }
}

/** The head that Q4_K and Q5_K share. The high two bits of scales and minima 4–7 sit in the bytes of 0–3. */
function sixBitScales(bytes: Uint8Array, p: number, scales: Float32Array, minima: Float32Array, to: number): void {
  const d = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
  const dmin = halves[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
  for (let j = 0; j < 4; j++) {
    const scale = bytes[p + 4 + j]!;
    const minimum = bytes[p + 8 + j]!;
    const rest = bytes[p + 12 + j]!;
    scales[to + j] = d * (scale & 63);
    minima[to + j] = dmin * (minimum & 63);
    scales[to + 4 + j] = d * ((rest & 15) | ((scale >> 6) << 4));
    minima[to + 4 + j] = dmin * ((rest >> 4) | ((minimum >> 6) << 4));
  }
}

/**
 * 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, f16 d. Each half of the super-block is four runs of
 * 32: the low nibbles of two runs of bytes, then their high nibbles; pair r of the high bits belongs to run r.
 */
export function unpackQ6K(
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 210, c += 256) {
    const d = halves[bytes[p + 208]! | (bytes[p + 209]! << 8)]!;
    for (let s = 0; s < 16; s++) scales[b * 16 + s] = d * ((bytes[p + 192 + s]! << 24) >> 24);
    for (let half = 0; half < 2; half++) {
      const low = p + half * 64;
      const high = p + 128 + half * 32;
      const to = c + half * 128;
      for (let j = 0; j < 32; j++) {
        const first = bytes[low + j]!;
        const second = bytes[low + 32 + j]!;
        const bits = bytes[high + j]!;
        codes[to + j] = ((first & 15) | ((bits & 3) << 4)) + 96;
        codes[to + 32 + j] = ((second & 15) | ((bits & 12) << 2)) + 96;
        codes[to + 64 + j] = ((first >> 4) | (bits & 48)) + 96;
        codes[to + 96 + j] = ((second >> 4) | ((bits & 192) >> 2)) + 96;
      }
    }
  }
}
