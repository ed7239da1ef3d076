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
import { kernelOn, type Operand, openLevels, scratchBytes } from "../../test/kernel-rig.ts";
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

/** Bytes before a matrix and behind it: what is used of them spoils the result. */
const margin = 64;
const mark = 77;

type Arithmetic = NonNullable<MatmulShape["arithmetic"]>;
type Memory = Float32Array | Uint16Array | Int8Array;

interface Side {
  readonly operand: MatmulOperand;
  readonly memory: Memory;
  at(matrix: number, row: number, column: number): number;
}

function side(r: Random, rows: number, columns: number, batch: number, arithmetic: Arithmetic): Side {
  const type = arithmetic === "int8" ? "i8" : arithmetic === "bf16" && r() < 0.5 ? "bf16" : "f32";
  const transposed = r() < 0.5;
  const [across, down] = transposed ? [rows, columns] : [columns, rows];
  const stride = across + (r() < 0.5 ? 0 : integer(r, 1, 20));
  const shared = r() < 0.3;
  const batchStride = shared ? 0 : stride * down + integer(r, 0, 9);
  const elements = (shared ? 0 : (batch - 1) * batchStride) + (down - 1) * stride + across;
  const code = (): number => (r() < 0.2 ? (r() < 0.5 ? -128 : 127) : integer(r, -128, 127));
  const memory = new Float32Array(elements).map(() => (type === "i8" ? code() : r() - 0.5));
  const inside = (matrix: number, row: number, column: number): number =>
    matrix * batchStride + (transposed ? column * stride + row : row * stride + column);
  const used = new Set<number>();
  for (let matrix = 0; matrix < batch; matrix++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) used.add(inside(matrix, row, column));
  for (let i = 0; i < elements; i++) if (!used.has(i)) memory[i] = type === "i8" ? 99 : Number.NaN;
  const values = Float64Array.from(memory, (x) => (arithmetic === "bf16" ? bfloatToFloat(floatToBfloat(x)) : x));
  const as = {
    f32: () => memory,
    bf16: () => Uint16Array.from(memory, floatToBfloat),
    i8: () => Int8Array.from(memory),
  };
  return {
    operand: { transposed, stride, batchStride, type },
    memory: as[type](),
    at: (matrix, row, column) => values[inside(matrix, row, column)]!,
  };
}

/** The memory between two margins. */
function within(memory: Memory): Uint8Array {
  const out = new Uint8Array(memory.byteLength + 2 * margin);
  const halves = new Uint16Array(out.buffer, 0, out.length >> 1);
  halves.fill(memory instanceof Int8Array ? 0x6363 : 0x7fc0);
  out.set(new Uint8Array(memory.buffer), margin);
  return out;
}

interface Case {
  readonly shape: MatmulShape;
  readonly a: Side;
  readonly b: Side;
}

function randomCase(r: Random, size: () => number, arithmetic: Arithmetic): Case {
  const [m, n, k] = [size(), size(), size()];
  const batch = r() < 0.7 ? 1 : integer(r, 2, 3);
  const a = side(r, m, k, batch, arithmetic);
  const b = side(r, k, n, batch, arithmetic);
  const stride = n + (r() < 0.5 ? 0 : integer(r, 1, 40));
  const c = { stride, batchStride: stride * m };
  const shape = { m, n, k, a: a.operand, b: b.operand, c, batch, arithmetic, accumulate: r() < 0.3 };
  return { shape, a, b };
}

interface More {
  readonly epilogue?: Epilogue;
  readonly parameters?: readonly Float32Array[];
  readonly scales?: { readonly rowScales: Float32Array; readonly columnScales: Float32Array };
}

/** What C becomes, beginning with marks: f32, or integers where they are not scaled. */
async function run(
  device: Device,
  { shape, a, b }: Case,
  plan?: MatmulPlan,
  { epilogue, parameters = [], scales }: More = {},
): Promise<Float32Array | Int32Array> {
  const { calls, temporaryBytes, scratchBytes: scratch } = lowerMatmul(device.target, shape, epilogue, plan);
  assert.ok(scratch <= scratchBytes, `${scratch} bytes of scratch`);
  const length = (shape.batch ?? 1) * shape.m * shape.c.stride + (2 * margin) / 4;
  const c = shape.arithmetic === "int8" && !shape.scaled ? new Int32Array(length) : new Float32Array(length);
  c.fill(mark);
  const none = new Float32Array(1);
  const operands = { a: within(a.memory), b: within(b.memory), c, temporary: new Uint8Array(temporaryBytes + 1) };
  const all = { ...operands, rowScales: none, columnScales: none, ...scales };
  for (const { program, items, args } of calls) {
    const inside = args.flatMap((arg): readonly Operand[] => (arg === "epilogue" ? parameters : [all[arg]]));
    const offsets = args.map((arg) => (arg === "a" || arg === "b" || arg === "c" ? margin : 0));
    await kernelOn(device, program).run(inside, items, 1, offsets);
  }
  return c;
}

type After = (sum: number, matrix: number, row: number, column: number) => number;

function check(c: Float32Array | Int32Array, { shape, a, b }: Case, what: string, after: After = (x) => x): void {
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
        const place = margin / 4 + matrix * shape.c.batchStride! + row * shape.c.stride + column;
        wanted[place] = after(sum, matrix, row, column);
        slack[place] = c instanceof Int32Array ? 0 : 1e-5 * size + 1e-6;
      }
    }
  }
  for (const [i, x] of wanted.entries()) {
    const right = Math.abs(c[i]! - x) <= slack[i]!;
    assert.ok(
      right,
      `${what}: ${JSON.stringify(shape)}: [${i - margin / 4}] is ${c[i]}, not ${x} (HEDDLE_SEED=${seed})`,
    );
  }
}

for (const device of devices) {
  const { target } = device;
  describe(`${device.level}${target.dotBf16 ? " with bf16" : ""}`, () => {
    for (const arithmetic of ["f32", "bf16", "int8"] as const) {
      test(`${arithmetic}: layouts, strides, batches and tails`, async () => {
        const r = stream(seed, arithmetic.length);
        for (let i = 0; i < 24; i++) {
          const one = randomCase(r, () => integer(r, 1, r() < 0.3 ? 90 : 40), arithmetic);
          check(await run(device, one), one, "by its plan");
        }
      });

      test(`${arithmetic}: any plan gives the same bits`, async () => {
        const r = stream(seed, 7, arithmetic.length);
        for (let i = 0; i < 4; i++) {
          const one = randomCase(r, () => integer(r, 20, 70), arithmetic);
          const plan = matmulPlan(target, one.shape);
          const first = await run(device, one, plan);
          if (i === 0) check(first, one, "by its plan");
          for (const other of [
            { ...plan, depth: 8, tilesPerItem: 2, panelsPerItem: 1, packB: "call" },
            { ...plan, rows: 3, vectors: 1, unroll: 2, tilesPerItem: 99, packB: "item" },
            { ...plan, depth: 16, copyA: true, packB: "call" },
            { ...plan, depth: 80, tilesPerItem: 99, copyA: true, packB: "item" },
          ] as const) {
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
        const plan = { ...matmulPlan(target, one.shape), depth: 8, packB: "call" } as const;
        const c = await run(device, one, plan, { epilogue, parameters: [bias] });
        check(c, one, "with an epilogue", (sum, _, __, column) => 2 * sum + bias[column]!);
      }
    });

    test("integers are scaled by row and by column", async () => {
      const r = stream(seed, 6);
      const scales = { rowScales: new Float32Array(200).map(r), columnScales: new Float32Array(200).map(r) };
      for (let i = 0; i < 4; i++) {
        const { shape, ...sides } = randomCase(r, () => integer(r, 1, 60), "int8");
        const one = { shape: { ...shape, accumulate: false, scaled: true }, ...sides };
        const c = await run(device, one, undefined, { scales });
        check(c, one, "scaled", (sum, matrix, row, column) => {
          const ofColumn = (shape.b.batchStride ? matrix * shape.n : 0) + column;
          return sum * scales.rowScales[matrix * shape.m + row]! * scales.columnScales[ofColumn]!;
        });
      }
    });
  });
}

test("bf16 is the same bits with and without the instruction, and int8 everywhere", async () => {
  for (const arithmetic of ["bf16", "int8"] as const) {
    const one = randomCase(stream(seed, 8), () => 37, arithmetic);
    const [first, ...others] = await Promise.all(devices.map((device) => run(device, one)));
    // Where an fma rounds twice, sums of bf16 differ; none of these levels does.
    for (const [i, other] of others.entries())
      assert.deepEqual(other, first, `${arithmetic} on ${devices[i + 1]!.level}`);
  }
});

test("the plan is one of data, from the shape alone", () => {
  const operand = { stride: 64 };
  const shape = { m: 64, n: 64, k: 64, a: operand, b: operand, c: operand };
  for (const { target } of devices) assert.deepEqual(matmulPlan(target, shape), matmulPlan(target, { ...shape }));
});
