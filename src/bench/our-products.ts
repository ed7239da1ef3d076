/**
 * Our products out [M, N] = x [M, K] · wᵀ, as the compiler lowers them, launched without a model around them. Activations of
 * int8 and BF16 are in their type before, as the peers' are; weights lie as in a file, and packing them is timed or not.
 */
import { estimatedSeconds } from "../compile/launch-view.ts";
import { rowFloats, weightLayout } from "../compile/layout.ts";
import { activationBytes, linearScratch, lowerLinear } from "../compile/lower/linear.ts";
import { lowerPack } from "../compile/lower/pack.ts";
import { assert } from "../core/errors.ts";
import type { Device, Level, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import type { TensorSource } from "../model/checkpoint.ts";
import { dequantize } from "../model/dequantize.ts";
import { formatOf } from "../model/pack.ts";
import { narrowKernel, quantizeKernel } from "../test/row-kernels.ts";
import { type Launch, prepare } from "./launches.ts";
import { assertNear, floatsOf, noise } from "./matrices.ts";

export interface Products {
  readonly device: Device;
  /** All products in turn, weights packed before. */
  run(): Promise<void>;
  /** The same, and packing all weights before. */
  packAndRun(): Promise<void>;
  /** The same as `run`, and making the activations ready before each product. */
  convertAndRun(): Promise<void>;
  close(): Promise<void>;
}

export interface Wanted {
  readonly level: Level | undefined;
  readonly threads: number;
  readonly weights: TensorSource;
  readonly m: number;
  /** How many matrices, all alike, each in its own memory; default 1. */
  readonly count?: number;
}

/** Checks a few results against plain arithmetic before it returns. */
export async function ourProducts({ level, threads, weights, m, count = 1 }: Wanted): Promise<Products> {
  const [n, k] = [weights.shape[0]!, weights.shape[1]!];
  const format = formatOf(weights, "default");
  const device = await openDevice(level, { threads, scratchBytes: Math.max(4096, linearScratch(format, k)) });
  const { target } = device;
  const layout = weightLayout(format, n, k);
  const raw = device.alloc(weights.bytes().length + 64);
  new Uint8Array(raw.buffer, raw.offset, raw.bytes).set(weights.bytes());
  const panels = Array.from({ length: count }, () => device.alloc(layout.bytes));
  const x = device.alloc(m * rowFloats(k) * 4);
  for (let row = 0; row < m; row++) floatsOf(x).set(noise(k, row), row * rowFloats(k));
  const rows = format.kind === "f32" ? x : device.alloc(m * activationBytes(format, k, target));
  const out = device.alloc(m * rowFloats(n) * 4);
  const kinds = { f32: undefined, bf16: narrowKernel, blocks: quantizeKernel };
  const converter = kinds[format.kind]?.(target, k);
  const convert: Launch[] = converter === undefined ? [] : [{ program: converter, args: [x, rows], items: m }];
  const packer = lowerPack(target, format, n, k);
  const pack = panels.map((to): Launch => ({ program: packer, args: [raw, to, n], items: layout.panels }));
  const product = lowerLinear(target, format, { n, k, bias: false });
  const seconds = estimatedSeconds(layout.bytes, 2 * m * layout.bytes);
  const multiply = panels.map(
    (w): Launch => ({ program: product, args: [w, rows, m, out], items: layout.panels, seconds }),
  );
  const each = (before: readonly Launch[]): Launch[] => multiply.flatMap((launch) => [...before, launch]);
  await prepare(device, [...pack, ...convert, ...multiply]).run();
  check(weights, x, out, m);
  return {
    device,
    run: prepare(device, multiply).run,
    packAndRun: prepare(device, [...pack, ...multiply]).run,
    convertAndRun: prepare(device, each(convert)).run,
    close: () => closeWith(device, [raw, ...panels, ...new Set([x, rows]), out]),
  };
}

async function closeWith(device: Device, regions: readonly Region[]): Promise<void> {
  await device.close();
  for (const region of regions) device.free(region);
}

/** Corners and a column in the middle. */
function check(weights: TensorSource, x: Region, out: Region, m: number): void {
  const [n, k] = [weights.shape[0]!, weights.shape[1]!];
  const bytes = weights.bytes();
  const rowBytes = bytes.length / n;
  const row = new Float32Array(k);
  for (const column of [0, n >> 1, n - 1]) {
    dequantize(weights.type, bytes.subarray(column * rowBytes, (column + 1) * rowBytes), k, row);
    for (const token of [0, m - 1]) {
      const at = token * rowFloats(k);
      const found = floatsOf(out)[token * rowFloats(n) + column];
      assert(found !== undefined, () => `row ${token} of ${m}`);
      assertNear(found, row, floatsOf(x).subarray(at, at + k), weights.type);
    }
  }
}
