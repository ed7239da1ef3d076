/**
 * Our product of two matrices that both arrive when it is called, in the layout of the peers: rows of A [M, K], of weights [N, K]
 * and of C [M, N] without anything between them. Integers get a scale a row and a scale a column.
 */

import { matmulPlan } from "../compile/lower/matmul/plan.ts";
import { lowerMatmul, type MatmulCall, type MatmulShape } from "../compile/lower/matmul.ts";
import { assert } from "../core/errors.ts";
import { bfloatToFloat, floatToBfloat } from "../core/half.ts";
import type { Level, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type Launch, prepare } from "./launches.ts";
import { floatsOf, noise } from "./matrices.ts";

/** What a kernel may need of a thread's scratch. */
const scratchBytes = 2 << 20;
/** Operations of a run, about. */
const operationsWanted = 1e10;

export interface Wanted {
  readonly level: Level | undefined;
  readonly threads: number;
  /** Of both operands. */
  readonly type: "f32" | "bf16" | "i8";
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface OurMatmul {
  readonly level: Level;
  /** Products in a run: they are steps of one launch, since how long a launch takes is another bench's question. */
  readonly products: number;
  /** The weights packed before. */
  run(): Promise<void>;
  /** The same, and packing the weights before each product. */
  packAndRun(): Promise<void>;
  close(): Promise<void>;
}

/** Checks a few results against plain arithmetic before it returns. */
export async function ourMatmul({ level, threads, type, m, n, k }: Wanted): Promise<OurMatmul> {
  const device = await openDevice(level, { threads, scratchBytes });
  const regions: Region[] = [];
  const filled = (bytes: Uint8Array): Region => {
    const region = device.alloc(bytes.length);
    new Uint8Array(region.buffer, region.offset, region.bytes).set(bytes);
    regions.push(region);
    return region;
  };
  const shape: MatmulShape = {
    ...{ m, n, k, arithmetic: type === "i8" ? "int8" : type, scaled: type === "i8" },
    a: { stride: k, type },
    b: { stride: k, type, transposed: true },
    c: { stride: n },
  };
  const whole = lowerMatmul(device.target, shape);
  // Where each panel is packed when it is multiplied, the weights packed before are another plan's.
  const apart = lowerMatmul(device.target, shape, undefined, { ...matmulPlan(device.target, shape), packB: "call" });
  const [x, w] = [noise(m * k, 2), noise(n * k, 3)];
  const [rowScales, columnScales] = [new Float32Array(m).fill(1 / 127), new Float32Array(n).fill(1 / 127)];
  const c = filled(new Uint8Array(m * n * 4));
  const places = {
    ...{
      a: filled(coded(x, type)),
      b: filled(coded(w, type)),
      c,
      temporary: filled(new Uint8Array(apart.temporaryBytes)),
    },
    rowScales: filled(new Uint8Array(rowScales.buffer)),
    columnScales: filled(new Uint8Array(columnScales.buffer)),
  };
  const products = Math.max(1, Math.round(operationsWanted / (2 * m * n * k)));
  const launch = ({ program, items, args }: MatmulCall): Launch => {
    return { program, items, args: args.map((arg) => places[arg as keyof typeof places]) };
  };
  const repeated = (calls: readonly MatmulCall[]): (() => Promise<void>) => {
    const once = calls.map(launch);
    return prepare(device, Array.from({ length: products }, () => once).flat()).run;
  };
  const packAndRun = repeated(whole.calls);
  const run = repeated(apart.calls.slice(1));
  await prepare(device, apart.calls.map(launch)).run();
  for (const once of [run, packAndRun]) {
    floatsOf(c).fill(0);
    await once();
    check(x, w, floatsOf(c), { m, n, k, type });
  }
  return {
    level: device.level,
    products,
    run,
    packAndRun,
    async close() {
      await device.close();
      for (const region of regions) device.free(region);
    },
  };
}

const code = (x: number): number => Math.round(127 * x);

/** Numbers of -1 … 1 as bytes. */
function coded(x: Float32Array, type: Wanted["type"]): Uint8Array {
  if (type === "f32") return new Uint8Array(x.buffer);
  if (type === "bf16") return new Uint8Array(Uint16Array.from(x, floatToBfloat).buffer);
  return new Uint8Array(Int8Array.from(x, code).buffer);
}

/** Corners, and places between them. */
function check(
  x: Float32Array,
  w: Float32Array,
  c: Float32Array,
  { m, n, k, type }: Pick<Wanted, "m" | "n" | "k" | "type">,
): void {
  const seen = {
    f32: (v: number) => v,
    bf16: (v: number) => bfloatToFloat(floatToBfloat(v)),
    i8: (v: number) => code(v) / 127,
  };
  for (const column of [0, 33 % n, n >> 1, n - 1]) {
    for (const row of [0, m >> 1, m - 1]) {
      let [sum, size] = [0, 0];
      for (let i = 0; i < k; i++) {
        const product = seen[type](x[row * k + i]!) * seen[type](w[column * k + i]!);
        sum += product;
        size += Math.abs(product);
      }
      const found = c[row * n + column]!;
      assert(Math.abs(found - sum) <= 1e-5 * size, () => `${type}: [${row}, ${column}] is ${found}, not ${sum}`);
    }
  }
}
