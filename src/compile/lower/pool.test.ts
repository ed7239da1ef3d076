/** Pooling and its gradient on every level: random shapes, strides and padding against the oracle. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Random, stream } from "../../core/random.ts";
import { type ArrayOp, type ArrayType, type Pooling, sizeOf } from "../../graph/array.ts";
import { ArrayBuilder } from "../../graph/array-builder.ts";
import { evaluate } from "../../test/array-oracle.ts";
import { integer } from "../../test/kernel-data.ts";
import { openLevels } from "../../test/kernel-rig.ts";
import { runLowered } from "../../test/lowered-rig.ts";
import { lowerPool2d, lowerPool2dInput } from "./pool.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

function randomCase(r: Random, fn: Pooling["fn"]): { readonly pooling: Pooling; readonly x: ArrayType } {
  const size = [integer(r, 1, 4), integer(r, 1, 4)] as const;
  const padded = r() < 0.6;
  const padding = [0, 0, 1, 1].map((i) => (padded ? integer(r, 0, size[i]! - 1) : 0));
  const strides = [integer(r, 1, 3), integer(r, 1, 3)] as const;
  const extent = (i: 0 | 1): number => size[i] + integer(r, 0, 9);
  const shape = [integer(r, 1, 3), extent(0), extent(1), integer(r, 1, 3) * (r() < 0.5 ? 16 : 9) + integer(r, 0, 50)];
  const pooling = { fn, size, strides, padding: padding as [number, number, number, number] };
  return { pooling, x: { dtype: "f32", shape } };
}

/** Few different values, so that windows have equal maxima. */
const data = (r: Random, { shape }: ArrayType): Float32Array =>
  Float32Array.from({ length: sizeOf(shape) }, () => integer(r, -5, 5) / 4);

function near(got: Float32Array, want: Float32Array, what: unknown): void {
  const worst = got.findIndex((v, i) => !(Math.abs(v - want[i]!) <= 1e-5) && !Object.is(v, want[i]));
  assert.equal(worst, -1, `${got[worst]} is ${want[worst]}: ${JSON.stringify(what)} (HEDDLE_SEED=${seed})`);
}

for (const device of devices) {
  const { target } = device;
  for (const fn of ["max", "mean"] as const) {
    describe(`${device.level}, ${fn}`, () => {
      test("pool2d and its gradient are what plain arithmetic gives", async () => {
        const r = stream(seed);
        for (let round = 0; round < 20; round++) {
          const { pooling, x } = randomCase(r, fn);
          const b = new ArrayBuilder();
          const input = (name: string, type: ArrayType) => b.add({ kind: "input", name }, [], type);
          const operand = input("x", x);
          const op: ArrayOp = { kind: "pool2d", ...pooling };
          const pooled = b.add(op, [operand]);
          const { type } = pooled;
          const dx = b.add({ ...op, kind: "pool2dInput" }, [operand, pooled, input("dy", type)], x);
          const values = { x: data(r, x), dy: data(r, type) };
          const want = evaluate(b.finish({ y: pooled, dx }), values) as Record<"y" | "dx", Float32Array>;
          const got = { y: new Float32Array(want.y.length), dx: new Float32Array(want.dx.length) };
          await runLowered(device, lowerPool2d(target, pooling, [x], type), [values.x], got.y);
          near(got.y, want.y, { pooling, x });
          const inputs = [values.x, want.y, values.dy];
          await runLowered(device, lowerPool2dInput(target, pooling, [x, type, type], x), inputs, got.dx);
          near(got.dx, want.dx, { pooling, x });
        }
      });
    });
  }

  test(`${device.level}: a maximum passes NaN on, wherever in the window it is`, async () => {
    const x: ArrayType = { dtype: "f32", shape: [1, 1, 4, 3] };
    const pooling: Pooling = { fn: "max", size: [1, 2], strides: [1, 2], padding: [0, 0, 0, 0] };
    const values = Float32Array.from([Number.NaN, 1, 2, 3, 4, Number.NaN, -1, -2, -3, 5, 6, -7]);
    const got = new Float32Array(6);
    await runLowered(device, lowerPool2d(target, pooling, [x], { dtype: "f32", shape: [1, 1, 2, 3] }), [values], got);
    assert.deepEqual([...got], [Number.NaN, 4, Number.NaN, 5, 6, -3]);
  });
}
