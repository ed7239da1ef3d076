/**
 * Weights of any storage type as f32, rounded as GGML's own dequantisation rounds.
 *
 * Float types are widened; quantised ones are taken apart (`quantized.ts`) and multiplied out, so that the exact mode
 * and the int8 kernels cannot disagree about what a block means.
 */
import { assert } from "../core/errors.ts";
import type { WeightType } from "./checkpoint.ts";
import { halves } from "./half-table.ts";
import { quantLayout, unpackRows } from "./quantized.ts";
import { weightBytes, weightFormats } from "./weight-type.ts";

/** Quantised elements at a time: the codes of a chunk stay in the first-level cache. */
const chunk = 4096;

/** Writes `elements` values, whole blocks from the first of `bytes` on, into the front of `into`. */
export function dequantize(type: WeightType, bytes: Uint8Array, elements: number, into: Float32Array): void {
  assert(elements % weightFormats[type].block === 0, () => `${elements} elements are not whole blocks of ${type}`);
  assert(into.length >= elements, () => `${elements} elements do not fit in ${into.length}`);
  const need = weightBytes(type, elements);
  assert(bytes.length >= need, () => `${elements} of ${type} take ${need} bytes, ${bytes.length} given`);
  if (type === "F32") new Uint8Array(into.buffer, into.byteOffset, need).set(bytes.subarray(0, need));
  else if (type === "F16")
    for (let i = 0; i < elements; i++) into[i] = halves[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
  else if (type === "BF16") widenBfloat(bytes, elements, into);
  else multiplyOut(type, bytes, elements, into);
}

function widenBfloat(bytes: Uint8Array, elements: number, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, elements);
  for (let i = 0; i < elements; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
}

function multiplyOut(type: WeightType, bytes: Uint8Array, elements: number, into: Float32Array): void {
  const { subBlock, symmetric } = quantLayout(type)!;
  const codes = new Uint8Array(chunk);
  const scales = new Float32Array(chunk / subBlock);
  const minima = new Float32Array(chunk / subBlock);
  for (let start = 0; start < elements; start += chunk) {
    const length = Math.min(chunk, elements - start);
    const part = bytes.subarray(weightBytes(type, start), weightBytes(type, start + length));
    unpackRows(type, part, length, 0, 1, codes, scales, minima);
    for (let s = 0, i = start; s < length / subBlock; s++) {
      const scale = scales[s]!;
      const minimum = minima[s]!;
      const from = s * subBlock;
      // The product is rounded to f32 before the minimum is taken off, as GGML does.
      if (symmetric) for (let j = 0; j < subBlock; j++) into[i++] = scale * (codes[from + j]! - 128);
      else for (let j = 0; j < subBlock; j++) into[i++] = Math.fround(scale * codes[from + j]!) - minimum;
    }
  }
}
