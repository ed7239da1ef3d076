/**
 * Tensors of a checkpoint into the layout that kernels read (`compile/layout.ts`), by kernels: a file that is mapped is read
 * where it lies, all tensors in one launch; other sources pass through a staging buffer, some panels at a time.
 */

import { panelRows } from "../compile/block-format.ts";
import { rowFloats, type WeightFormat, weightLayout } from "../compile/layout.ts";
import { lowerPack, storedRowBytes } from "../compile/lower/pack.ts";
import { narrowWords } from "../core/half.ts";
import { type ListedCall, runOnce } from "../device/call-list.ts";
import type { Device, Region } from "../device/device.ts";
import type { TensorSource } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { weightBytes } from "./weight-type.ts";

/**
 * Which arithmetic products use. `default`: quantised weights keep their codes, and activations are quantised to int8; bf16
 * weights multiply bf16 activations; f16 and f32 run in f32. `bf16`: every weight is dequantised and rounded to bf16.
 * `exact`: everything is dequantised to f32.
 */
export type Numerics = "default" | "bf16" | "exact";
export const numericModes: readonly Numerics[] = ["default", "bf16", "exact"];

export function formatOf({ type }: TensorSource, numerics: Numerics): WeightFormat {
  if (numerics === "exact") return { kind: "f32" };
  if (numerics === "bf16" || type === "BF16") return { kind: "bf16" };
  return type === "F16" || type === "F32" ? { kind: "f32" } : { kind: "blocks", type };
}

/** A norm or a bias: f32, padded with zeros. */
export function packVector(device: Device, tensor: TensorSource): Region {
  const width = tensor.shape[0]!;
  const region = device.alloc(rowFloats(width) * 4);
  dequantize(tensor.type, tensor.bytes(), width, new Float32Array(region.buffer, region.offset, width));
  return region;
}

export interface Matrix {
  readonly tensor: TensorSource;
  readonly format: WeightFormat;
  /** Whether it must lie directly behind the one before it. */
  readonly joined?: boolean;
}

export interface Packed {
  /** What is to be freed. */
  readonly pools: readonly Region[];
  /** In the order of the matrices. */
  readonly regions: readonly Region[];
}

/** Packs each matrix, [N, K]. */
export async function packMatrices(device: Device, matrices: readonly Matrix[]): Promise<Packed> {
  const packed = place(device, matrices);
  const { regions } = packed;
  const kernels = installPackers(device, matrices);
  const direct: ListedCall[] = [];
  for (const [i, matrix] of matrices.entries()) {
    const region = regions[i]!;
    const { shape, address } = matrix.tensor;
    if (address !== undefined && device.machine && storedAs(matrix)) {
      const items = weightLayout(matrix.format, shape[0]!, shape[1]!).panels;
      direct.push({ kernel: kernels[i]!, args: [address, region.address, shape[0]!], items });
    } else await packThroughStaging(device, matrix, kernels[i]!, region);
  }
  if (direct.length > 0) await runOnce(device, direct);
  return packed;
}

/** One view holds less than 4 GiB, and few large regions stand on huge pages where many small ones would not. */
const poolBytes = 2 ** 30;

function place(device: Device, matrices: readonly Matrix[]): Packed {
  const sizes = matrices.map(({ tensor, format }) => weightLayout(format, tensor.shape[0]!, tensor.shape[1]!).bytes);
  const pools: { bytes: number; readonly members: number[] }[] = [];
  for (const [i, size] of sizes.entries()) {
    const last = pools.at(-1);
    if (last === undefined || (last.bytes + size > poolBytes && !matrices[i]!.joined))
      pools.push({ bytes: size, members: [i] });
    else {
      last.bytes += size;
      last.members.push(i);
    }
  }
  const regions: Region[] = [];
  const allocated = pools.map(({ bytes, members }) => {
    const pool = device.alloc(bytes);
    let used = 0;
    for (const i of members) {
      const { buffer, address, offset } = pool;
      regions.push({ address: address + used, bytes: sizes[i]!, buffer, offset: offset + used });
      used += sizes[i]!;
    }
    return pool;
  });
  return { pools: allocated, regions };
}

/** Whether the file's rows are what the packing kernel reads. */
function storedAs({ tensor: { type }, format }: Matrix): boolean {
  if (format.kind === "blocks") return true;
  return format.kind === "bf16" ? type === "BF16" : type === "F32";
}

/** One kernel for each format and shape. */
function installPackers(device: Device, matrices: readonly Matrix[]): number[] {
  const keys = matrices.map(({ tensor, format }) => `${JSON.stringify(format)} ${tensor.shape}`);
  const first = [...new Set(keys)].map((key) => matrices[keys.indexOf(key)]!);
  const programs = first.map(({ tensor, format }) =>
    lowerPack(device.target, format, tensor.shape[0]!, tensor.shape[1]!),
  );
  const handles = device.install(programs);
  const byKey = new Map([...new Set(keys)].map((key, i) => [key, handles[i]!]));
  return keys.map((key) => byKey.get(key)!);
}

const stagingBytes = 1 << 22;

async function packThroughStaging(device: Device, matrix: Matrix, kernel: number, region: Region): Promise<void> {
  const { tensor, format } = matrix;
  const [n, k] = [tensor.shape[0]!, tensor.shape[1]!];
  const rowBytes = storedRowBytes(format, k);
  const rows = panelRows * Math.max(1, Math.floor(stagingBytes / (rowBytes * panelRows)));
  const { panelBytes } = weightLayout(format, n, k);
  const bytes = tensor.bytes();
  const staging = device.alloc(Math.min(rows, n) * rowBytes);
  try {
    for (let first = 0; first < n; first += rows) {
      const count = Math.min(rows, n - first);
      fill(matrix, bytes, first, count, new Uint8Array(staging.buffer, staging.offset, count * rowBytes));
      const to = region.address + (first / panelRows) * panelBytes;
      await runOnce(device, [{ kernel, args: [staging.address, to, count], items: Math.ceil(count / panelRows) }]);
    }
  } finally {
    device.free(staging);
  }
}

/** Rows `first` … of the tensor as the packing kernel reads them. */
function fill(matrix: Matrix, bytes: Uint8Array, first: number, count: number, into: Uint8Array): void {
  const { tensor, format } = matrix;
  const k = tensor.shape[1]!;
  const rowBytes = weightBytes(tensor.type, k);
  const source = bytes.subarray(first * rowBytes, (first + count) * rowBytes);
  if (storedAs(matrix)) return into.set(source);
  if (format.kind === "f32") {
    return dequantize(tensor.type, source, count * k, new Float32Array(into.buffer, into.byteOffset, count * k));
  }
  const floats = new Float32Array(count * k);
  dequantize(tensor.type, source, count * k, floats);
  // Weights are finite.
  narrowWords(new Uint32Array(floats.buffer), new Uint16Array(into.buffer, into.byteOffset, count * k));
}
