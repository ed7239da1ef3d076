/** Random matrices in the formats of files, and what their products must be. */
import { assert } from "../core/errors.ts";
import { stream } from "../core/random.ts";
import type { Region } from "../device/device.ts";
import type { TensorSource, WeightType } from "../model/checkpoint.ts";
import { weightBytes, weightFormats } from "../model/weight-type.ts";

/** `count` numbers between -1 and 1. */
export function noise(count: number, seed: number): Float32Array {
  const random = stream(5, seed);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}

/** Where the half floats of a block lie: everything else in it may be any bytes. */
const halvesAt: Partial<Readonly<Record<WeightType, readonly number[]>>> = {
  Q4_0: [0],
  Q5_0: [0],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q6_K: [208],
};
/** 2⁻¹⁰, as a half float: large enough to be normal, small enough for sums of thousands. */
const small = 0x1400;

/** A matrix [n, k] of random weights. */
export function matrix(type: WeightType, n: number, k: number): TensorSource {
  const bytes = type === "F32" || type === "BF16" ? floats(type, n * k) : blocks(type, n * k);
  return { name: `${type} ${n} × ${k}`, type, shape: [n, k], bytes: () => bytes };
}

function floats(type: "F32" | "BF16", count: number): Uint8Array {
  const values = noise(count, 1);
  if (type === "F32") return new Uint8Array(values.buffer);
  const words = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}

function blocks(type: WeightType, count: number): Uint8Array {
  const halves = halvesAt[type];
  assert(halves !== undefined, () => `no random blocks of ${type}`);
  const bytes = new Uint8Array(weightBytes(type, count));
  const random = stream(6, count);
  const words = new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
  for (let i = 0; i < words.length; i++) words[i] = random() * 65536;
  const { blockBytes } = weightFormats[type];
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const offset of halves) view.setUint16(at + offset, small, true);
  }
  return bytes;
}

export const floatsOf = (r: Region): Float32Array => new Float32Array(r.buffer, r.offset, r.bytes >> 2);

/** Relative to what the products add up to in size: activations may be rounded to 8 bits, or to bfloat16. */
const tolerance: Partial<Readonly<Record<WeightType, number>>> = { F32: 1e-5, BF16: 5e-3 };

/** Fails unless `found` is the dot product of the two rows, within what the format rounds. */
export function assertNear(found: number, w: Float32Array, x: Float32Array, type: WeightType): void {
  let [sum, size] = [0, 0];
  for (const [i, a] of w.entries()) {
    sum += a * x[i]!;
    size += Math.abs(a * x[i]!);
  }
  const most = (tolerance[type] ?? 1e-2) * size;
  assert(Math.abs(found - sum) <= most, () => `a product over ${type} is ${found}; it should be ${sum} ± ${most}`);
}
