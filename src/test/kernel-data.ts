/** Random operands of kernels with what they stand for, and plain arithmetic on them. */

import { byteOrder, group, rowFloats, type WeightFormat, weightLayout } from "../compile/layout.ts";
import type { Target } from "../compile/tile.ts";
import { bitsFloat, floatBits, floatToHalf, halfToFloat } from "../core/half.ts";
import type { Random } from "../core/random.ts";

export const integer = (r: Random, from: number, to: number): number => from + Math.floor(r() * (to - from + 1));

/** Rows of `width` normal-like numbers, padded with zeros. */
export function rows(r: Random, count: number, width: number): Float32Array {
  const out = new Float32Array(count * rowFloats(width));
  for (let i = 0; i < count; i++) for (let j = 0; j < width; j++) out[i * rowFloats(width) + j] = r() + r() + r() - 1.5;
  return out;
}

/** A random matrix in a format: packed, and as plain numbers [n, k]. */
export function matrix(
  r: Random,
  format: WeightFormat,
  n: number,
  k: number,
  target: Target,
): { packed: Uint8Array; plain: Float64Array } {
  const layout = weightLayout(format, n, k);
  const packed = new Uint8Array(layout.bytes);
  const view = new DataView(packed.buffer);
  const plain = new Float64Array(n * k);
  const order = byteOrder(target.dot4);
  for (let row = 0; row < n; row++) {
    const base = Math.floor(row / group) * layout.groupBytes;
    const lane = row % group;
    if (format.kind !== "int8") {
      for (let i = 0; i < k; i++) {
        const x = Math.fround(r() - 0.5);
        const at = i * group + lane;
        const bits = floatBits(x);
        if (format.kind === "f32") view.setFloat32(base + at * 4, x, true);
        else view.setUint16(base + at * 2, bits >>> 16, true);
        plain[row * k + i] = format.kind === "f32" ? x : bitsFloat((bits >>> 16) << 16);
      }
      continue;
    }
    for (let sub = 0; sub < k / format.subBlock; sub++) {
      const half = floatToHalf(0.001 + r() * 0.02);
      const scale = halfToFloat(half);
      const minimum = format.symmetric ? 0 : Math.fround(r() - 0.3);
      const at = sub * group + lane;
      if (format.halfScale) view.setUint16(base + at * 2, half, true);
      else view.setFloat32(base + at * 4, scale, true);
      if (!format.symmetric) view.setFloat32(base + layout.minima + at * 4, minimum, true);
      for (let i = 0; i < format.subBlock; i++) {
        const column = sub * format.subBlock + i;
        const code = r() < 0.05 ? (r() < 0.5 ? 0 : 255) : integer(r, 0, 255);
        packed[base + layout.codes + Math.floor(column / 4) * 64 + lane * 4 + order.indexOf(column % 4)] = code;
        plain[row * k + column] = format.symmetric ? scale * (code - 128) : scale * code - minimum;
      }
    }
  }
  return { packed, plain };
}

/** What `quantize` should give: codes and scales of a row. */
export function quantised(row: Float32Array, k: number): Float64Array {
  const out = new Float64Array(k);
  for (let from = 0; from < k; from += 32) {
    const max = row.subarray(from, from + 32).reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    const scale = Math.fround(max * Math.fround(1 / 127));
    const inverse = Math.fround(127 / Math.max(max, 1e-30));
    for (let i = from; i < from + 32; i++) out[i] = roundEven(Math.fround(row[i]! * inverse)) * scale;
  }
  return out;
}

function roundEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

export function product(
  x: (row: number, i: number) => number,
  w: Float64Array,
  count: number,
  n: number,
  k: number,
): Float64Array {
  const stride = rowFloats(n);
  const out = new Float64Array(count * stride);
  for (let t = 0; t < count; t++) {
    for (let o = 0; o < n; o++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += x(t, i) * w[o * k + i]!;
      out[t * stride + o] = sum;
    }
  }
  return out;
}
