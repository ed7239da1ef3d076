/**
 * Our product of two matrices that both arrive when it is called, in the layout of the peers: rows of A [M, K], of weights [N, K]
 * and of C [M, N] without anything between them. Packing is a part of it.
 */
import { lowerMatmul, type MatmulShape } from "../compile/lower/matmul.ts";
import { floatToBfloat } from "../core/half.ts";
import type { Level, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import type { TensorSource } from "../model/checkpoint.ts";
import { dequantize } from "../model/dequantize.ts";
import { prepare } from "./launches.ts";
import { assertNear, floatsOf, noise } from "./matrices.ts";

/** What a kernel may need of a thread's scratch. */
const scratchBytes = 2 << 20;

export interface Wanted {
  readonly level: Level | undefined;
  readonly threads: number;
  /** F32 or BF16; A has the same type. */
  readonly weights: TensorSource;
  readonly m: number;
}

/** Checks a few results against plain arithmetic before it returns. */
export async function ourMatmul({ level, threads, weights, m }: Wanted): Promise<{
  readonly level: Level;
  run(): Promise<void>;
  close(): Promise<void>;
}> {
  const [n, k] = [weights.shape[0]!, weights.shape[1]!];
  const type = weights.type === "F32" ? "f32" : "bf16";
  const device = await openDevice(level, { threads, scratchBytes });
  const regions: Region[] = [];
  const alloc = (bytes: number): Region => {
    regions.push(device.alloc(bytes));
    return regions.at(-1)!;
  };
  const size = type === "f32" ? 4 : 2;
  const operands = { a: alloc(m * k * size), b: alloc(n * k * size), c: alloc(m * n * 4) };
  const shape: MatmulShape = {
    ...{ m, n, k, arithmetic: type },
    a: { stride: k, type },
    b: { stride: k, type, transposed: true },
    c: { stride: n },
  };
  const { calls, temporaryBytes } = lowerMatmul(device.target, shape);
  const places = { ...operands, temporary: alloc(temporaryBytes) };
  const x = noise(m * k, 2);
  const { a, b } = operands;
  const bytes = type === "f32" ? new Uint8Array(x.buffer) : new Uint8Array(Uint16Array.from(x, floatToBfloat).buffer);
  new Uint8Array(a.buffer, a.offset, a.bytes).set(bytes);
  new Uint8Array(b.buffer, b.offset, b.bytes).set(weights.bytes());
  const launches = calls.map(({ program, items, args }) => {
    return { program, items, args: args.map((arg) => places[arg as keyof typeof places]) };
  });
  const { run } = prepare(device, launches);
  await run();
  check(weights, x, floatsOf(operands.c), m);
  return {
    level: device.level,
    run,
    async close() {
      await device.close();
      for (const region of regions) device.free(region);
    },
  };
}

/** Corners, and columns between them. */
function check(weights: TensorSource, x: Float32Array, c: Float32Array, m: number): void {
  const [n, k] = [weights.shape[0]!, weights.shape[1]!];
  const bytes = weights.bytes();
  const rowBytes = bytes.length / n;
  const row = new Float32Array(k);
  for (const column of [0, 33 % n, n >> 1, n - 1]) {
    dequantize(weights.type, bytes.subarray(column * rowBytes, (column + 1) * rowBytes), k, row);
    for (const token of [0, m >> 1, m - 1]) {
      assertNear(c[token * n + column]!, row, x.subarray(token * k, (token + 1) * k), weights.type);
    }
  }
}
