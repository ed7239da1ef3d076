/** Weights as a file stores them, from f32: the way back of `dequantize`, for the types that Heddle writes. */
import { assert } from "../core/errors.ts";
import { floatToBfloat, floatToHalf } from "../core/half.ts";
import type { WeightType } from "./checkpoint.ts";
import { weightBytes, weightFormats } from "./weight-type.ts";

export const writableTypes = ["F32", "F16", "BF16", "Q8_0"] as const satisfies readonly WeightType[];
export type WritableType = (typeof writableTypes)[number];

/** `values` in `type`'s layout; a row of a quantised type must be whole blocks, which the caller sees to. */
export function encodeWeights(type: WritableType, values: Float32Array): Uint8Array {
  const out = new Uint8Array(weightBytes(type, values.length));
  if (type === "F32") out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  else if (type === "Q8_0") encodeQ80(values, out);
  else {
    const narrow = type === "F16" ? floatToHalf : floatToBfloat;
    const halves = new Uint16Array(out.buffer);
    for (let i = 0; i < values.length; i++) halves[i] = narrow(values[i]!);
  }
  return out;
}

/** Each 32 elements: a scale as f16, the greatest magnitude / 127, and codes rounded with the scale before its rounding, as GGML. */
function encodeQ80(values: Float32Array, out: Uint8Array): void {
  const { block, blockBytes } = weightFormats.Q8_0;
  assert(values.length % block === 0, () => `${values.length} elements are not whole blocks of Q8_0`);
  const view = new DataView(out.buffer);
  for (let from = 0, at = 0; from < values.length; from += block, at += blockBytes) {
    let most = 0;
    for (let i = 0; i < block; i++) most = Math.max(most, Math.abs(values[from + i]!));
    const scale = Math.fround(most / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    view.setUint16(at, floatToHalf(scale), true);
    for (let i = 0; i < block; i++) {
      const code = Math.fround(values[from + i]! * inverse);
      view.setInt8(at + 2 + i, Math.sign(code) * Math.floor(Math.abs(code) + 0.5));
    }
  }
}
