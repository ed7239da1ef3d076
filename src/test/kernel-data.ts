/** Random operands of kernels with what they stand for, and plain arithmetic on them. */

import { type BlockFormat, blockFormats, blockLayout, hasFactors, panelRows } from "../compile/block-format.ts";
import { rowFloats, type WeightFormat, weightLayout } from "../compile/layout.ts";
import { bitsFloat, floatBits, floatToHalf, halfToFloat } from "../core/half.ts";
import type { Random } from "../core/random.ts";

export const integer = (r: Random, from: number, to: number): number => from + Math.floor(r() * (to - from + 1));

/** Rows of `width` normal-like numbers, padded with zeros. */
export function rows(r: Random, count: number, width: number): Float32Array {
  const out = new Float32Array(count * rowFloats(width));
  for (let i = 0; i < count; i++) for (let j = 0; j < width; j++) out[i * rowFloats(width) + j] = r() + r() + r() - 1.5;
  return out;
}

/** A random matrix in a format: packed by hand, and as plain numbers [n, k]. */
export function matrix(
  r: Random,
  format: WeightFormat,
  n: number,
  k: number,
): { packed: Uint8Array; plain: Float64Array } {
  const layout = weightLayout(format, n, k);
  const packed = new Uint8Array(layout.bytes);
  const view = new DataView(packed.buffer);
  const plain = new Float64Array(n * k);
  for (let row = 0; row < n; row++) {
    const panel = Math.floor(row / panelRows) * layout.panelBytes;
    const lane = row % panelRows;
    if (format.kind === "blocks") {
      const values = plain.subarray(row * k, (row + 1) * k);
      blockRow(r, view, blockFormats[format.type], panel, lane, values);
      continue;
    }
    for (let i = 0; i < k; i++) {
      const x = Math.fround(r() - 0.5);
      const bits = floatBits(x);
      if (format.kind === "f32") view.setFloat32(panel + (i * panelRows + lane) * 4, x, true);
      else view.setUint16(panel + (Math.floor(i / 2) * panelRows + lane) * 4 + (i % 2) * 2, bits >>> 16, true);
      plain[row * k + i] = format.kind === "f32" ? x : bitsFloat((bits >>> 16) << 16);
    }
  }
  return { packed, plain };
}

function blockRow(r: Random, view: DataView, f: BlockFormat, panel: number, lane: number, plain: Float64Array): void {
  const layout = blockLayout(f);
  const most = f.words * 8 === f.block * 2 ? 255 : f.zero === 32 ? 63 : f.words * 8 > f.block ? 31 : 15;
  for (let b = 0; b < plain.length / f.block; b++) {
    const at = panel + b * layout.bytes;
    const half = (offset: number, low: number): number => {
      const bits = floatToHalf(low + r() * 0.02);
      view.setUint16(at + offset + lane * 2, bits, true);
      return halfToFloat(bits);
    };
    const factors = hasFactors(f) ? [half(0, 0.001), f.minima ? half(layout.minimumFactor, 0.001) : 0] : [1, 1];
    const entry = (part: "scales" | "minima", sub: number, factor: number): number => {
      if (f.scale === "half") return half(layout.scale(part, sub), -0.01);
      const code = f.signed ? integer(r, -128, 127) : integer(r, 0, 63);
      if (f.scale === "sixes") setSix(view, at + layout.six(sub >> 1, 0) + lane, part, sub, code);
      else view.setUint8(at + layout.scale(part, sub) + lane, code & 255);
      return Math.fround(factor * code);
    };
    for (let sub = 0; sub < f.block / f.subBlock; sub++) {
      const scale = entry("scales", sub, factors[0]!);
      const minimum = f.minima ? entry("minima", sub, factors[1]!) : 0;
      for (let i = 0; i < f.subBlock; i++) {
        const column = sub * f.subBlock + i;
        const code = r() < 0.1 ? (r() < 0.5 ? 0 : most) : integer(r, 0, most);
        setCode(view, f, (word) => at + layout.word(word) + lane * 4, column, code);
        plain[b * f.block + column] = f.minima ? scale * code - minimum : scale * (code - f.zero);
      }
    }
  }
}

/** The bits of a scale, or of a minimum, among the three bytes of its pair, which begin with these bits 0. */
function setSix(view: DataView, scales: number, part: "scales" | "minima", sub: number, code: number): void {
  const or = (byte: number, bits: number): void => {
    const at = scales + byte * panelRows;
    view.setUint8(at, view.getUint8(at) | bits);
  };
  if (part === "minima" && sub % 2 === 1) for (let n = 0; n < 3; n++) or(n, ((code >> (2 * n)) & 3) << 6);
  else or(part === "minima" ? 2 : sub % 2, code);
}

/** Puts a code's bits where the format says; they were 0. */
function setCode(view: DataView, f: BlockFormat, place: (word: number) => number, column: number, code: number): void {
  for (const { word, shift, mask } of f.bits(Math.floor(column / 4))) {
    const part = ((code << (8 * (column % 4))) & mask) >>> 0;
    const moved = shift >= 0 ? part >>> shift : part << -shift;
    const at = place(word);
    view.setUint32(at, (view.getUint32(at, true) | moved) >>> 0, true);
  }
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
