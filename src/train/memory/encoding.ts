/**
 * Tensors of f32 in fewer bits. `binary` and `csr` lose nothing that backward needs; floats of 16, 10 and 8 bits are rounded to
 * nearest, their greatest value standing for everything beyond (Gist, section 4: 5 bits of exponent, 4 in the 8-bit form).
 */
import { assert } from "../../core/errors.ts";
import type { Encoding } from "../memory.ts";

/** The windows of a pooling whose backward part reads the tensor: images [N, H, W, C], no two windows share an element. */
export interface Windows {
  readonly input: readonly [number, number, number, number];
  readonly output: readonly [number, number, number, number];
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Above and left of the image. */
  readonly padding: readonly [number, number];
}

const row = 256;
const words = (elements: number, bits: number): number => 4 * Math.ceil((elements * bits) / 32);

/** How many bytes the elements take. */
export function encodedBytes(x: Uint32Array, as: Encoding): number {
  if (as === "binary") return words(x.length, 2);
  if (as === "csr") {
    let count = 0;
    for (let i = 0; i < x.length; i++) if (x[i] !== 0) count++;
    return 4 * (Math.ceil(x.length / row) + 1) + 4 * count + count;
  }
  if (as === "fp10") return 4 * Math.ceil(x.length / 3);
  return words(x.length, as === "fp16" ? 16 : 8);
}

/** `x` are the bits of the elements; `to` has the bytes that `encodedBytes` gave. */
export function encode(x: Uint32Array, as: Encoding, to: Uint8Array, windows: Windows | undefined): void {
  if (as === "binary") encodeBinary(x, to, windows);
  else if (as === "csr") encodeSparse(x, to);
  else {
    const form = forms[as];
    const out = wordsOf(to).fill(0);
    for (let i = 0; i < x.length; i++) {
      out[Math.floor(i / form.each)]! |= narrowed(x[i]!, form) << (form.bits * (i % form.each));
    }
  }
}

/** The other way; `greatest` are the bits of the pooling's result, for `binary` with windows. */
export function decode(
  from: Uint8Array,
  as: Encoding,
  x: Uint32Array,
  windows: Windows | undefined,
  greatest: Float32Array | undefined,
): void {
  if (as === "binary") decodeBinary(from, x, windows, greatest);
  else if (as === "csr") decodeSparse(from, x);
  else {
    const form = forms[as];
    const packed = wordsOf(from);
    const mask = 2 ** form.bits - 1;
    for (let i = 0; i < x.length; i++) {
      x[i] = widened((packed[Math.floor(i / form.each)]! >>> (form.bits * (i % form.each))) & mask, form);
    }
  }
}

const wordsOf = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
const floatsOf = (bits: Uint32Array): Float32Array => new Float32Array(bits.buffer, bits.byteOffset, bits.length);

interface Form {
  readonly bits: number;
  readonly exponent: number;
  readonly fraction: number;
  /** In a word. */
  readonly each: number;
}

const forms = {
  fp16: { bits: 16, exponent: 5, fraction: 10, each: 2 },
  fp10: { bits: 10, exponent: 5, fraction: 4, each: 3 },
  fp8: { bits: 8, exponent: 4, fraction: 3, each: 4 },
} as const satisfies Readonly<Record<string, Form>>;

/** Bits of f32 to the form: to nearest, ties to even; too small is 0, too great is the greatest. */
function narrowed(bits: number, { bits: width, exponent, fraction }: Form): number {
  const sign = bits >>> 31;
  const shift = 23 - fraction;
  const magnitude = bits & 0x7fffffff;
  const rounded = magnitude + ((1 << (shift - 1)) - 1) + ((magnitude >>> shift) & 1);
  const bias = 127 - (2 ** (exponent - 1) - 1);
  const value = (rounded >>> shift) - (bias << fraction);
  const most = 2 ** (exponent + fraction) - 1;
  const clamped = value < 1 << fraction ? 0 : Math.min(value, most);
  return (sign << (width - 1)) | clamped;
}

function widened(code: number, { bits: width, exponent, fraction }: Form): number {
  const magnitude = code & (2 ** (width - 1) - 1);
  if (magnitude === 0) return 0;
  const bias = 127 - (2 ** (exponent - 1) - 1);
  return (((code >>> (width - 1)) << 31) | ((magnitude + (bias << fraction)) << (23 - fraction))) >>> 0;
}

/** For each row of 256 where its values begin; the values; for each its column. */
function encodeSparse(x: Uint32Array, to: Uint8Array): void {
  const rows = Math.ceil(x.length / row);
  const count = (to.length - 4 * (rows + 1)) / 5;
  const all = wordsOf(to);
  const columns = to.subarray(4 * (rows + 1 + count));
  let next = 0;
  for (let r = 0; r < rows; r++) {
    all[r] = next;
    for (let i = r * row; i < Math.min(x.length, (r + 1) * row); i++) {
      if (x[i] === 0) continue;
      all[rows + 1 + next] = x[i]!;
      columns[next++] = i - r * row;
    }
  }
  all[rows] = next;
  assert(next === count, () => `${next} values where room for ${count} was made`);
}

function decodeSparse(from: Uint8Array, x: Uint32Array): void {
  const rows = Math.ceil(x.length / row);
  const all = wordsOf(from);
  const columns = from.subarray(4 * (rows + 1 + all[rows]!));
  x.fill(0);
  for (let r = 0; r < rows; r++) {
    for (let k = all[r]!; k < all[r + 1]!; k++) x[r * row + columns[k]!] = all[rows + 1 + k]!;
  }
}

/** Two bits an element: whether it is positive, and whether it is the first of its window's greatest. */
function encodeBinary(x: Uint32Array, to: Uint8Array, windows: Windows | undefined): void {
  const values = floatsOf(x);
  to.fill(0);
  for (let i = 0; i < x.length; i++) if (values[i]! > 0) to[i >> 2]! |= 1 << (2 * (i & 3));
  if (windows === undefined) return;
  eachWindow(windows, (_, corners, channel) => {
    let best = corners[0]! + channel;
    for (const corner of corners) if (values[corner + channel]! > values[best]!) best = corner + channel;
    to[best >> 2]! |= 2 << (2 * (best & 3));
  });
}

/** Elements that have what was asked of the tensor in common with it: signs, and where each window's greatest is. */
function decodeBinary(
  from: Uint8Array,
  x: Uint32Array,
  windows: Windows | undefined,
  greatest: Float32Array | undefined,
): void {
  const values = floatsOf(x);
  const bits = (i: number): number => (from[i >> 2]! >>> (2 * (i & 3))) & 3;
  for (let i = 0; i < x.length; i++) values[i] = bits(i) & 1;
  if (windows === undefined || greatest === undefined) return;
  eachWindow(windows, (window, corners, channel) => {
    const most = greatest[window]!;
    // The others are less than it, and positive where they were.
    for (const corner of corners) {
      const code = bits(corner + channel);
      values[corner + channel] = code & 2 ? most : code & 1 ? most / 2 : Number.NEGATIVE_INFINITY;
    }
  });
}

type Visit = (window: number, corners: readonly number[], channel: number) => void;

/** Each window of each channel, with where its elements lie if the channel is added. */
function eachWindow(windows: Windows, visit: Visit): void {
  const { input, output, size, strides, padding } = windows;
  const [, height, width, channels] = input;
  const [images, rows, columns] = output;
  let window = 0;
  for (let n = 0; n < images; n++) {
    for (let r = 0; r < rows; r++) {
      for (let q = 0; q < columns; q++) {
        const corners: number[] = [];
        for (let i = 0; i < size[0]; i++) {
          for (let j = 0; j < size[1]; j++) {
            const [y, z] = [r * strides[0] + i - padding[0], q * strides[1] + j - padding[1]];
            if (y >= 0 && y < height && z >= 0 && z < width) corners.push(((n * height + y) * width + z) * channels);
          }
        }
        for (let c = 0; c < channels; c++) visit(window++, corners, c);
      }
    }
  }
}
