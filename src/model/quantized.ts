/**
 * Quantised weights taken apart: one unsigned code an element, one scale (and minimum) a sub-block.
 *
 * Every block format of GGML is, exactly, `w = scale * (code - 128)` (symmetric) or `w = scale * code - minimum`
 * (asymmetric) over sub-blocks of 16 or 32 elements. Kernels are written for these two meanings instead of eight layouts,
 * and dequantisation is the same decomposition multiplied out. Codes are unsigned because VPDPBUSD wants them so.
 */
import { assert } from "../core/errors.ts";
import type { WeightType } from "./checkpoint.ts";
import { halves } from "./half-table.ts";
import { unpackQ4K, unpackQ5K, unpackQ6K } from "./quantized-k.ts";
import { weightFormats } from "./weight-type.ts";

export interface QuantLayout {
  /** Elements that share a scale. */
  readonly subBlock: 16 | 32;
  /** True for `scale * (code - 128)`, false for `scale * code - minimum`. */
  readonly symmetric: boolean;
  /** True where each scale is exactly an f16; products of two numbers (the K formats) are not. */
  readonly halfScale: boolean;
}

/** Where the parts go: for blocks [B], codes [B, block], scales and minima [B, block / subBlock]. */
export interface Unpacked {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  /** Needed by the asymmetric formats, ignored by the others. */
  readonly minima?: Float32Array | undefined;
}

/** Unpacks `blocks` blocks that start at byte `at`. */
export type Unpack = (
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima: Float32Array,
) => void;

interface Quantized extends QuantLayout {
  readonly unpack: Unpack;
}

const formats: { readonly [T in WeightType]: Quantized | undefined } = {
  F32: undefined,
  F16: undefined,
  BF16: undefined,
  Q4_0: { subBlock: 32, symmetric: true, halfScale: true, unpack: unpackQ40 },
  Q4_1: { subBlock: 32, symmetric: false, halfScale: true, unpack: unpackQ41 },
  Q5_0: { subBlock: 32, symmetric: true, halfScale: true, unpack: unpackQ50 },
  Q5_1: { subBlock: 32, symmetric: false, halfScale: true, unpack: unpackQ51 },
  Q8_0: { subBlock: 32, symmetric: true, halfScale: true, unpack: unpackQ80 },
  Q4_K: { subBlock: 32, symmetric: false, halfScale: false, unpack: unpackQ4K },
  Q5_K: { subBlock: 32, symmetric: false, halfScale: false, unpack: unpackQ5K },
  Q6_K: { subBlock: 16, symmetric: true, halfScale: false, unpack: unpackQ6K },
};

/** `undefined` for the float types, which have nothing to unpack. */
export function quantLayout(type: WeightType): QuantLayout | undefined {
  return formats[type];
}

/** Row `row` of a matrix with `rowLength` columns: codes [rowLength], scales and minima [rowLength / subBlock]. */
export function unpackQuantized(
  type: WeightType,
  bytes: Uint8Array,
  rowLength: number,
  row: number,
  out: Unpacked,
): void {
  unpackRows(type, bytes, rowLength, row, 1, out.codes, out.scales, out.minima);
}

/** `rows` rows from `firstRow` on: codes [rows, rowLength], scales and minima [rows, rowLength / subBlock]. */
export function unpackRows(
  type: WeightType,
  bytes: Uint8Array,
  rowLength: number,
  firstRow: number,
  rows: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima?: Float32Array,
): void {
  const format = formats[type];
  assert(format !== undefined, () => `${type} has no codes to unpack`);
  const { block, blockBytes } = weightFormats[type];
  assert(rowLength % block === 0, () => `a row of ${rowLength} is not whole blocks of ${type}`);
  const perRow = rowLength / block;
  const at = firstRow * perRow * blockBytes;
  const blocks = rows * perRow;
  assert(at + blocks * blockBytes <= bytes.length, () => `rows ${firstRow}+${rows} are beyond ${bytes.length} bytes`);
  assert(codes.length >= rows * rowLength, () => `${codes.length} codes for ${rows} rows of ${rowLength}`);
  assert(scales.length * format.subBlock >= rows * rowLength, () => `${scales.length} scales are too few`);
  const enough = format.symmetric || (minima !== undefined && minima.length * format.subBlock >= rows * rowLength);
  assert(enough, () => `${type} needs room for minima`);
  format.unpack(bytes, at, blocks, codes, scales, minima ?? scales);
}

/** f16 scale, 32 signed bytes. */
function unpackQ80(bytes: Uint8Array, at: number, blocks: number, codes: Uint8Array, scales: Float32Array): void {
  if ((bytes.byteOffset + at) % 2 === 0 && codes.byteOffset % 2 === 0) {
    // Two codes at once: blocks of 34 bytes keep 16-bit alignment, and this loop is most of a cold start.
    const from = new Uint16Array(bytes.buffer, bytes.byteOffset + at, blocks * 17);
    const to = new Uint16Array(codes.buffer, codes.byteOffset, blocks * 16);
    for (let b = 0, p = 0, c = 0; b < blocks; b++) {
      scales[b] = halves[from[p++]!]!;
      for (let j = 0; j < 16; j++) to[c++] = from[p++]! ^ 0x8080;
    }
    return;
  }
  for (let b = 0, p = at, c = 0; b < blocks; b++) {
    scales[b] = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
    p += 2;
    for (let j = 0; j < 32; j++) codes[c++] = bytes[p++]! ^ 0x80;
  }
}

/** f16 scale; 16 bytes hold elements 0–15 in their low nibbles and 16–31 in their high ones. */
function unpackQ40(bytes: Uint8Array, at: number, blocks: number, codes: Uint8Array, scales: Float32Array): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 18, c += 32) {
    scales[b] = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[p + 2 + j]!;
      codes[c + j] = (pair & 15) + 120;
      codes[c + 16 + j] = (pair >> 4) + 120;
    }
  }
}

/** f16 scale, f16 smallest value, nibbles as in Q4_0. */
function unpackQ41(
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima: Float32Array,
): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 20, c += 32) {
    scales[b] = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
    minima[b] = -halves[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[p + 4 + j]!;
      codes[c + j] = pair & 15;
      codes[c + 16 + j] = pair >> 4;
    }
  }
}

/** f16 scale, 32 fifth bits, nibbles as in Q4_0. */
function unpackQ50(bytes: Uint8Array, at: number, blocks: number, codes: Uint8Array, scales: Float32Array): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 22, c += 32) {
    scales[b] = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
    fiveBits(bytes, p + 2, codes, c, 112);
  }
}

function unpackQ51(
  bytes: Uint8Array,
  at: number,
  blocks: number,
  codes: Uint8Array,
  scales: Float32Array,
  minima: Float32Array,
): void {
  for (let b = 0, p = at, c = 0; b < blocks; b++, p += 24, c += 32) {
    scales[b] = halves[bytes[p]! | (bytes[p + 1]! << 8)]!;
    minima[b] = -halves[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    fiveBits(bytes, p + 4, codes, c, 0);
  }
}

/** 32 fifth bits at `p`, 16 bytes of nibbles after them; each code is moved up by `offset`. */
function fiveBits(bytes: Uint8Array, p: number, codes: Uint8Array, c: number, offset: number): void {
  const low = bytes[p]! | (bytes[p + 1]! << 8);
  const high = bytes[p + 2]! | (bytes[p + 3]! << 8);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[p + 4 + j]!;
    codes[c + j] = ((pair & 15) | (((low >> j) & 1) << 4)) + offset;
    codes[c + 16 + j] = ((pair >> 4) | (((high >> j) & 1) << 4)) + offset;
  }
}
