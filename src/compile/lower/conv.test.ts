/** Convolutions and their gradients on every level: random shapes, strides, padding, dilations and groups against the oracle. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Random, stream } from "../../core/random.ts";
import type { Device } from "../../device/device.ts";
import { type ArrayDType, type ArrayType, sizeOf } from "../../graph/array.ts";
import { ArrayBuilder } from "../../graph/array-builder.ts";
import { evaluate } from "../../test/array-oracle.ts";
import { integer } from "../../test/kernel-data.ts";
import { openLevels } from "../../test/kernel-rig.ts";
import { runLowered } from "../../test/lowered-rig.ts";
import { type ConvOp, lowerConv2d } from "./conv.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const rounds = Number(process.env.HEDDLE_ROUNDS ?? 10);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

interface Case {
  readonly op: ConvOp;
  readonly inputs: readonly [ArrayType, ArrayType];
  readonly output: ArrayType;
}

const pick = <T>(r: Random, from: readonly T[]): T => from[integer(r, 0, from.length - 1)]!;

function randomCase(r: Random, kind: ConvOp["kind"], dtype: ArrayDType): Case {
  const window = [integer(r, 1, 4), integer(r, 1, 4)] as const;
  const strides = [pick(r, [1, 1, 2, 3]), pick(r, [1, 1, 2, 3])] as const;
  const dilations = [pick(r, [1, 1, 2, 3]), pick(r, [1, 1, 2, 3])] as const;
  const padding = [integer(r, 0, 3), integer(r, 0, 3), integer(r, 0, 3), integer(r, 0, 3)] as const;
  const shape = pick(r, ["dense", "dense", "grouped", "depthwise"]);
  const groups = shape === "dense" ? 1 : shape === "grouped" ? integer(r, 2, 3) : integer(r, 2, 40);
  const perGroup = shape === "depthwise" ? 1 : pick(r, [1, 2, 3, 4, 7, 16, 20]);
  const outputs = groups * (shape === "depthwise" ? 1 : pick(r, [1, 3, 5, 8, 16, 17, 33, 40]));
  const spread = (i: 0 | 1): number => (window[i] - 1) * dilations[i] + 1;
  const extent = (i: 0 | 1): number =>
    Math.max(1, spread(i) - padding[2 * i]! - padding[2 * i + 1]!) + integer(r, 0, pick(r, [0, 4, 20]));
  const x: ArrayType = { dtype, shape: [integer(r, 1, 3), extent(0), extent(1), groups * perGroup] };
  const w: ArrayType = { dtype, shape: [...window, perGroup, outputs] };
  const attributes = { strides, padding, dilations, groups };
  const b = new ArrayBuilder();
  const y = b.add({ kind: "conv2d", ...attributes }, [
    b.add({ kind: "input", name: "x" }, [], x),
    b.add({ kind: "input", name: "w" }, [], w),
  ]).type;
  const dy = { dtype, shape: y.shape };
  const op = { kind, ...attributes };
  if (kind === "conv2d") return { op, inputs: [x, w], output: y };
  if (kind === "conv2dInput") return { op, inputs: [dy, w], output: { dtype: "f32", shape: x.shape } };
  return { op, inputs: [x, dy], output: { dtype: "f32", shape: w.shape } };
}

/** Numbers of few bits, so that products of bf16 are those of f32. */
function data(r: Random, { dtype, shape }: ArrayType): Float32Array | Uint16Array {
  const values = Float32Array.from({ length: sizeOf(shape) }, () => r() + r() - 1);
  if (dtype !== "bf16") return values;
  return Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
}

function expected({ op, inputs, output }: Case, values: readonly (Float32Array | Uint16Array)[]): Float32Array {
  const b = new ArrayBuilder();
  const [x, y] = inputs.map((type, i) => b.add({ kind: "input", name: `${i}` }, [], type));
  const graph = b.finish({ out: b.add(op, [x!, y!], { ...output, dtype: inputs[0].dtype }) });
  return evaluate(graph, { 0: values[0]!, 1: values[1]! }).out as Float32Array;
}

/** On levels whose products and sums round alike. */
const results = new Map<string, Float32Array>();
/** Each level is given the same cases, in the same order. */
const wanted = new Map<string, Float32Array>();

async function compare(device: Device, one: Case, r: Random): Promise<void> {
  const values = one.inputs.map((type) => data(r, type));
  const what = JSON.stringify(one);
  const want = wanted.get(what) ?? expected(one, values);
  wanted.set(what, want);
  const got = new Float32Array(want.length);
  await runLowered(device, lowerConv2d(device.target, one.op, one.inputs, one.output), values, got);
  const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-3);
  const worst = got.findIndex((v, i) => !(Math.abs(v - want[i]!) <= 3e-6 * scale));
  assert.equal(worst, -1, `${got[worst]} is ${want[worst]}: ${what} (HEDDLE_SEED=${seed})`);
  if (!device.machine) return;
  assert.deepEqual(got, results.get(what) ?? got, `other bits than on another level: ${what} (HEDDLE_SEED=${seed})`);
  results.set(what, got);
}

/** Weights that do not fit the nearest cache: their taps are multiplied some at a time, by rows of the window or one by one. */
const large = ([inputs, outputs]: readonly [number, number], kind: ConvOp["kind"], dtype: ArrayDType): Case => {
  const [x, w]: ArrayType[] = [
    { dtype, shape: [1, 5, 4, inputs] },
    { dtype, shape: [3, 2, inputs, outputs] },
  ];
  const y: ArrayType = { dtype: kind === "conv2d" ? "f32" : dtype, shape: [1, 5, 3, outputs] };
  const op = { kind, strides: [1, 1], padding: [1, 1, 0, 0], dilations: [1, 1], groups: 1 } as const;
  if (kind === "conv2d") return { op, inputs: [x!, w!], output: y };
  if (kind === "conv2dInput") return { op, inputs: [y, w!], output: { dtype: "f32", shape: x!.shape } };
  return { op, inputs: [x!, y], output: { dtype: "f32", shape: w!.shape } };
};

for (const device of devices) {
  describe(device.level, () => {
    for (const kind of ["conv2d", "conv2dInput", "conv2dWeight"] as const) {
      for (const dtype of ["f32", "bf16"] as const) {
        test(`${kind} of ${dtype} is what plain arithmetic gives`, async () => {
          const r = stream(seed);
          const slow = device.level === "reference";
          for (let n = 0; n < (slow ? rounds / 2 : rounds); n++) await compare(device, randomCase(r, kind, dtype), r);
          if (slow) return;
          for (const channels of [
            [130, 20],
            [20, 330],
            [330, 35],
          ] as const) {
            await compare(device, large(channels, kind, dtype), r);
          }
        });
      }
    }
  });
}
