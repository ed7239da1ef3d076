/** Tensors of a checkpoint into the layout that kernels read (`compile/layout.ts`). */
import { byteOrder, group, rowFloats, type WeightFormat, weightLayout } from "../compile/layout.ts";
import type { Target } from "../compile/tile.ts";
import type { Device, Region } from "../device/device.ts";
import type { TensorSource } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { quantLayout, unpackRows } from "./quantized.ts";
import { weightBytes, weightFormats } from "./weight-type.ts";

/** `exact` dequantises everything to f32; otherwise quantised types keep their codes, and bf16 its bits. */
export function formatOf(tensor: TensorSource, exact: boolean): WeightFormat {
  const quantised = quantLayout(tensor.type);
  if (exact || (quantised === undefined && tensor.type !== "BF16")) return { kind: "f32" };
  return quantised === undefined ? { kind: "bf16" } : { kind: "int8", ...quantised };
}

/** A norm or a bias: f32, padded with zeros. */
export function packVector(device: Device, tensor: TensorSource): Region {
  const width = tensor.shape[0]!;
  const region = device.alloc(rowFloats(width) * 4);
  dequantize(tensor.type, tensor.bytes(), width, new Float32Array(region.buffer, region.offset, width));
  return region;
}

export function packMatrix(device: Device, tensor: TensorSource, format: WeightFormat): Region {
  const [n, k] = [tensor.shape[0]!, tensor.shape[1]!];
  const region = device.alloc(weightLayout(format, n, k).bytes);
  if (format.kind === "int8") packInt8(device.target, tensor, format, n, k, region);
  else if (format.kind === "f32")
    packF32(tensor, n, k, new Float32Array(region.buffer, region.offset, region.bytes / 4));
  else packBf16(tensor, n, k, new Uint16Array(region.buffer, region.offset, region.bytes / 2));
  return region;
}

function packF32(tensor: TensorSource, n: number, k: number, out: Float32Array): void {
  const bytes = tensor.bytes();
  const rowBytes = weightBytes(tensor.type, k);
  const rows = new Float32Array(group * k);
  for (let first = 0; first < n; first += group) {
    const count = Math.min(group, n - first);
    const source = bytes.subarray(first * rowBytes, (first + count) * rowBytes);
    dequantize(tensor.type, source, count * k, rows.subarray(0, count * k));
    const base = first * k;
    for (let r = 0; r < count; r++)
      for (let i = 0, o = base + r, s = r * k; i < k; i++, o += group) out[o] = rows[s++]!;
  }
}

function packBf16(tensor: TensorSource, n: number, k: number, out: Uint16Array): void {
  const bytes = tensor.bytes();
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const from = new Uint16Array(aligned.buffer, aligned.byteOffset, n * k);
  for (let row = 0; row < n; row++) {
    const base = Math.floor(row / group) * group * k + (row % group);
    for (let i = 0, o = base, s = row * k; i < k; i++, o += group) out[o] = from[s++]!;
  }
}

type Int8 = Extract<WeightFormat, { kind: "int8" }>;

function packInt8(target: Target, tensor: TensorSource, format: Int8, n: number, k: number, region: Region): void {
  const layout = weightLayout(format, n, k);
  const bytes = tensor.bytes();
  const subBlocks = k / format.subBlock;
  const codes = new Uint8Array(group * k);
  const quads = new Uint32Array(codes.buffer);
  const scales = new Float32Array(group * subBlocks);
  const minima = new Float32Array(group * subBlocks);
  const swap = byteOrder(target.dot4)[1] !== 1;
  const direct = tensor.type === "Q8_0" && !swap && bytes.byteOffset % 2 === 0;
  const words = direct ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : new Uint16Array(0);
  for (let first = 0; first < n; first += group) {
    const count = Math.min(group, n - first);
    if (direct && count === group) {
      const at = region.offset + (first / group) * layout.groupBytes;
      const halves = new Uint16Array(region.buffer, at, subBlocks * group);
      packQ8Group(words, first, subBlocks, halves, new Uint32Array(region.buffer, at + layout.codes, (k / 4) * group));
      continue;
    }
    if (count < group) {
      codes.fill(0);
      scales.fill(0);
      minima.fill(0);
    }
    unpackRows(tensor.type, bytes, k, first, count, codes, scales, minima);
    const base = region.offset + (first / group) * layout.groupBytes;
    if (format.halfScale) {
      transposeHalves(tensor, bytes, first, count, subBlocks, new Uint16Array(region.buffer, base, subBlocks * group));
    } else transpose(scales, subBlocks, new Float32Array(region.buffer, base, subBlocks * group));
    if (!format.symmetric) {
      transpose(minima, subBlocks, new Float32Array(region.buffer, base + layout.minima, subBlocks * group));
    }
    if (swap) for (let i = 0; i < quads.length; i++) quads[i] = swapMiddle(quads[i]!);
    transposeQuads(quads, k / 4, new Uint32Array(region.buffer, base + layout.codes, (k / 4) * group));
  }
}

/**
 * Sixteen rows of Q8_0 straight from the file: blocks are 17 words of 16 bits, the scale and then 32 codes, and a code becomes
 * unsigned by flipping its sign. Most of a model's bytes come this way, so it is most of a cold start.
 */
function packQ8Group(words: Uint16Array, first: number, blocks: number, scales: Uint16Array, quads: Uint32Array): void {
  for (let r = 0; r < group; r++) {
    let from = (first + r) * blocks * 17;
    let to = r;
    for (let b = 0; b < blocks; b++) {
      scales[b * group + r] = words[from++]!;
      for (let q = 0; q < 8; q++, from += 2, to += group) {
        quads[to] = (words[from]! | (words[from + 1]! << 16)) ^ 0x80808080;
      }
    }
  }
}

const swapMiddle = (v: number): number => (v & 0xff0000ff) | ((v >>> 8) & 0xff00) | ((v & 0xff00) << 8);

/** [16, columns] → [columns, 16] */
function transpose(from: Float32Array, columns: number, to: Float32Array): void {
  for (let r = 0, s = 0; r < group; r++) for (let c = 0, o = r; c < columns; c++, o += group) to[o] = from[s++]!;
}

/** Writes whole groups of 16 in order: the destination is much larger than a cache, the source is not. */
function transposeQuads(from: Uint32Array, columns: number, to: Uint32Array): void {
  for (let c = 0, o = 0; c < columns; c++) for (let r = 0, s = c; r < group; r++, s += columns) to[o++] = from[s]!;
}

/** The scales as they stand in the file: the first two bytes of each block. */
function transposeHalves(
  tensor: TensorSource,
  bytes: Uint8Array,
  first: number,
  count: number,
  blocks: number,
  to: Uint16Array,
): void {
  const { blockBytes } = weightFormats[tensor.type];
  for (let r = 0; r < count; r++) {
    let at = (first + r) * blocks * blockBytes;
    for (let c = 0, o = r; c < blocks; c++, o += group, at += blockBytes) to[o] = bytes[at]! | (bytes[at + 1]! << 8);
  }
}
