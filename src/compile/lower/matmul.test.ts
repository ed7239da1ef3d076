/**
 * Products against plain arithmetic in doubles, on every level: random shapes with odd sizes, both layouts of both operands, any
 * strides, batches, tails. What lies around the matrices is NaN, or a mark that must stay: nothing is read or written there.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bfloatToFloat, floatToBfloat } from "../../core/half.ts";
import { type Random, stream } from "../../core/random.ts";
import type { Device } from "../../device/device.ts";
import { openDevice } from "../../device/open.ts";
import { integer } from "../../test/kernel-data.ts";
import { kernelOn, openLevels, scratchBytes } from "../../test/kernel-rig.ts";
import { at, vector } from "../tile-builder.ts";
import { type MatmulPlan, matmulPlan } from "./matmul/plan.ts";
import { type Epilogue, lowerMatmul, type MatmulOperand, type MatmulShape } from "./matmul.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const { devices } = await openLevels();
if (devices.some((d) => d.target.dotBf16)) {
  devices.push(await openDevice("x64-avx512", { threads: 2, scratchBytes, bf16: false }));
}
after(async () => {
  for (const device of devices) await device.close();
});

/** Elements before a matrix, and behind it: what is read of them spoils the result. */
const margin = 16;
const mark = 77;

interface Side {
  readonly operand: MatmulOperand;
  readonly memory: Float32Array | Uint16Array;
  at(matrix: number, row: number, column: number): number;
}

function side(r: Random, rows: number, columns: number, batch: number, bf16: boolean, rounds: boolean): Side {
  const transposed = r() < 0.5;
  const [across, down] = transposed ? [rows, columns] : [columns, rows];
  const stride = across + (r() < 0.5 ? 0 : integer(r, 1, 20));
  const shared = r() < 0.3;
  const batchStride = shared ? 0 : stride * down + integer(r, 0, 9);
  const elements = (shared ? 0 : (batch - 1) * batchStride) + (down - 1) * stride + across;
  const memory = new Float32Array(elements).map(() => r() - 0.5);
  const inside = (matrix: number, row: number, column: number): number =>
    matrix * batchStride + (transposed ? column * stride + row : row * stride + column);
  const used = new Set<number>();
  for (let matrix = 0; matrix < batch; matrix++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) used.add(inside(matrix, row, column));
  for (let i = 0; i < elements; i++) if (!used.has(i)) memory[i] = Number.NaN;
  const values = Float64Array.from(memory, (x) => (rounds ? bfloatToFloat(floatToBfloat(x)) : x));
  return {
    operand: { transposed, stride, batchStride, type: bf16 ? "bf16" : "f32" },
    memory: bf16 ? Uint16Array.from(memory, floatToBfloat) : memory,
    at: (matrix, row, column) => values[inside(matrix, row, column)]!,
  };
}

/** The memory with NaN, which a product must not read, before and behind. */
function within(memory: Float32Array | Uint16Array): Float32Array | Uint16Array {
  const bits = memory instanceof Float32Array ? Number.NaN : 0x7fc0;
  const out =
    memory instanceof Float32Array
      ? new Float32Array(memory.length + 2 * margin)
      : new Uint16Array(memory.length + 4 * margin);
  out.fill(bits);
  out.set(memory, memory instanceof Float32Array ? margin : 2 * margin);
  return out;
}

interface Case {
  readonly shape: MatmulShape;
  readonly a: Side;
  readonly b: Side;
}

function randomCase(r: Random, size: () => number, arithmetic: "f32" | "bf16"): Case {
  const [m, n, k] = [size(), size(), size()];
  const batch = r() < 0.7 ? 1 : integer(r, 2, 3);
  const rounds = arithmetic === "bf16";
  const a = side(r, m, k, batch, rounds && r() < 0.5, rounds);
  const b = side(r, k, n, batch, rounds && r() < 0.5, rounds);
  const stride = n + (r() < 0.5 ? 0 : integer(r, 1, 40));
  const c = { stride, batchStride: stride * m };
  const shape = { m, n, k, a: a.operand, b: b.operand, c, batch, arithmetic, accumulate: r() < 0.3 };
  return { shape, a, b };
}

/** What C becomes, beginning with marks. */
async function run(
  device: Device,
  { shape, a, b }: Case,
  plan?: MatmulPlan,
  epilogue?: Epilogue,
  more: Float32Array[] = [],
): Promise<Float32Array> {
  const { calls, temporaryBytes, scratchBytes: scratch } = lowerMatmul(device.target, shape, epilogue, plan);
  assert.ok(scratch <= scratchBytes, `${scratch} bytes of scratch`);
  const c = new Float32Array((shape.batch ?? 1) * shape.m * shape.c.stride + 2 * margin).fill(mark);
  const temporary = new Uint8Array(temporaryBytes + 64);
  const operands = { a: within(a.memory), b: within(b.memory), c, temporary };
  for (const { program, items, args } of calls) {
    const inside = args.flatMap((arg): (Float32Array | Uint16Array | Uint8Array)[] => {
      return arg === "epilogue" ? more : [operands[arg]];
    });
    // Matrices begin behind their margin.
    await kernelOn(device, program).run(
      inside,
      items,
      1,
      inside.map((x) => (x === temporary || more.includes(x as Float32Array) ? 0 : 4 * margin)),
    );
  }
  return c;
}

function check(
  c: Float32Array,
  { shape, a, b }: Case,
  what: string,
  after: (sum: number, column: number) => number = (x) => x,
): void {
  const { m, n, k, batch = 1, accumulate } = shape;
  const wanted = new Float64Array(c.length).fill(mark);
  const slack = new Float64Array(c.length);
  for (let matrix = 0; matrix < batch; matrix++) {
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let [sum, size] = [accumulate ? mark : 0, accumulate ? mark : 0];
        for (let i = 0; i < k; i++) {
          const product = a.at(matrix, row, i) * b.at(matrix, i, column);
          sum += product;
          size += Math.abs(product);
        }
        const place = margin + matrix * shape.c.batchStride! + row * shape.c.stride + column;
        wanted[place] = after(sum, column);
        slack[place] = 1e-5 * size + 1e-6;
      }
    }
  }
  for (const [i, x] of wanted.entries()) {
    const right = Math.abs(c[i]! - x) <= slack[i]!;
    assert.ok(right, `${what}: ${JSON.stringify(shape)}: [${i - margin}] is ${c[i]}, not ${x} (HEDDLE_SEED=${seed})`);
  }
}

for (const device of devices) {
  const { target } = device;
  describe(`${device.level}${target.dotBf16 ? " with bf16" : ""}`, () => {
    for (const arithmetic of ["f32", "bf16"] as const) {
      test(`${arithmetic}: layouts, strides, batches and tails`, async () => {
        const r = stream(seed, arithmetic === "f32" ? 1 : 2);
        for (let i = 0; i < 24; i++) {
          const one = randomCase(r, () => integer(r, 1, r() < 0.3 ? 90 : 40), arithmetic);
          check(await run(device, one), one, "by its plan");
        }
      });

      test(`${arithmetic}: any plan gives the same bits`, async () => {
        const r = stream(seed, arithmetic === "f32" ? 3 : 4);
        for (let i = 0; i < 4; i++) {
          const one = randomCase(r, () => integer(r, 20, 70), arithmetic);
          const plan = matmulPlan(target, one.shape);
          const first = await run(device, one, plan);
          check(first, one, "by its plan");
          for (const other of [
            { ...plan, depth: 8, tilesPerItem: 2, panelsPerItem: 1 },
            { ...plan, rows: 3, vectors: 1, unroll: 2 },
            { ...plan, depth: 16, copyA: true },
          ]) {
            assert.deepEqual(await run(device, one, other), first, JSON.stringify({ ...one.shape, other, seed }));
          }
        }
      });
    }

    test("an epilogue sees each sum once, when it is whole", async () => {
      const r = stream(seed, 5);
      const bias = Float32Array.from({ length: 200 }, () => r());
      const epilogue: Epilogue = {
        parameters: 1,
        name: "scaled-bias",
        begin(b, { parameters, column, counts }) {
          const from = b.add(parameters[0]!, b.shl(column, 2));
          const two = b.constF(2);
          return (sum, _, v) => {
            const place = at(from, v * target.lanes * 4);
            const here = counts[v]! < target.lanes ? b.loadPartF(place, counts[v]!) : vector(place);
            return b.fadd(b.fmul(sum, two), here);
          };
        },
      };
      for (let i = 0; i < 4; i++) {
        const one = randomCase(r, () => integer(r, 1, 60), "f32");
        const plan = { ...matmulPlan(target, one.shape), depth: 8 };
        const c = await run(device, one, plan, epilogue, [bias]);
        check(c, one, "with an epilogue", (sum, column) => 2 * sum + bias[column]!);
      }
    });
  });
}

test("the plan is one of data, from the shape alone", () => {
  const operand = { stride: 64 };
  const shape = { m: 64, n: 64, k: 64, a: operand, b: operand, c: operand };
  for (const { target } of devices) assert.deepEqual(matmulPlan(target, shape), matmulPlan(target, { ...shape }));
});
