/** The bytes of elements: numbers of JavaScript to and from those of a device. */
import type { Region } from "../device/device.ts";
import type { ArrayDType } from "../graph/array.ts";

export type ElementArray = Float32Array | Float64Array | Int32Array | Uint16Array;

/** The elements in a region: f32, i32, or the bits of bf16. Valid while the region is. */
export function view(region: Region, dtype: ArrayDType, count: number): Float32Array | Int32Array | Uint16Array {
  if (dtype === "f32") return new Float32Array(region.buffer, region.offset, count);
  if (dtype === "i32") return new Int32Array(region.buffer, region.offset, count);
  return new Uint16Array(region.buffer, region.offset, count);
}

/** Writes numbers to a region, rounded to the type; a Uint16Array for bf16 holds bits, and is copied. */
export function encode(data: ArrayLike<number> & Iterable<number>, dtype: ArrayDType, region: Region): void {
  const to = view(region, dtype, data.length);
  if (dtype === "bf16" && !(data instanceof Uint16Array)) to.set(bitsOfBf16(Float32Array.from(data)));
  else to.set(data);
}

/** The elements as numbers, copied. */
export function decode(region: Region, dtype: ArrayDType, count: number): Float32Array | Int32Array {
  const from = view(region, dtype, count);
  if (!(from instanceof Uint16Array)) return from.slice();
  return new Float32Array(Uint32Array.from(from, (bits) => bits << 16).buffer);
}

/** To nearest, ties to even. */
function bitsOfBf16(data: Float32Array): Uint16Array {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return Uint16Array.from(words, (word, i) => {
    if (Number.isNaN(data[i]!)) return 0x7fc0;
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}
