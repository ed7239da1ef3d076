/** Slices and concatenations: strided kernels equal dense ones bit for bit on every level, and read nothing beyond their slice. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { stream } from "../../core/random.ts";
import { integer, rows } from "../../test/kernel-data.ts";
import { kernelOn, openLevels } from "../../test/kernel-rig.ts";
import { concatKernel, mapKernel, rmsNormKernel } from "../../test/row-kernels.ts";
import { rowFloats } from "../layout.ts";
import { type RowOp, rowBytesOf } from "./rows.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const random = stream(seed);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

/** Rows of `width`, and the same rows as columns `from` … of rows of `total` that hold noise elsewhere. */
function inside(
  count: number,
  width: number,
  from: number,
  total: number,
): { dense: Float32Array; wide: Float32Array } {
  const dense = rows(random, count, width);
  const wide = new Float32Array(count * rowFloats(total)).map(() => 100 * random());
  for (let t = 0; t < count; t++) {
    const row = dense.subarray(t * rowFloats(width), t * rowFloats(width) + width);
    wide.set(row, t * rowFloats(total) + from);
  }
  return { dense, wide };
}

for (const device of devices) {
  const { target } = device;
  describe(device.level, () => {
    test("elementwise over slices is what it is over rows of their own", async () => {
      for (const op of ["add", "mul", "gelu", "relu", "siluMul"] as const satisfies readonly RowOp[]) {
        const [count, width, from] = [integer(random, 1, 5), 32 * integer(random, 1, 3), 32 * integer(random, 0, 2)];
        const total = from + width + 32;
        const [x, y] = [inside(count, width, from, total), inside(count, width, 0, width)];
        const two = op !== "gelu" && op !== "relu";
        const out = [1, 2].map(() => new Float32Array(count * rowFloats(width)).fill(7));
        const dense = two ? [x.dense, y.dense, out[0]!] : [x.dense, out[0]!];
        await kernelOn(
          device,
          mapKernel(target, op, width, two ? [rowBytesOf(width), rowBytesOf(width)] : [rowBytesOf(width)]),
        ).run(dense, count);
        const strides = two ? [rowBytesOf(total), rowBytesOf(width)] : [rowBytesOf(total)];
        const strided = two ? [x.wide.slice(from), y.wide, out[1]!] : [x.wide.slice(from), out[1]!];
        await kernelOn(device, mapKernel(target, op, width, strides)).run(strided, count);
        assert.deepEqual(out[1], out[0], `${op} of ${count} × ${width} at ${from} (HEDDLE_SEED=${seed})`);
      }
    });

    test("rmsNorm of a slice, and of rows that are padded by more than a vector", async () => {
      for (const [width, from] of [
        [1024, 0],
        [96, 64],
        [40, 32],
      ] as const) {
        const { dense, wide } = inside(3, width, from, from + width);
        if (from === 0)
          for (let t = 0; t < 3; t++) dense.fill(1e6, t * rowFloats(width) + width, (t + 1) * rowFloats(width));
        for (let t = 0; t < 3; t++)
          wide.fill(0, t * rowFloats(from + width) + from + width, (t + 1) * rowFloats(from + width));
        const w = rows(random, 1, width);
        const out = [1, 2].map(() => new Float32Array(3 * rowFloats(width)));
        await kernelOn(device, rmsNormKernel(target, 1, width, 1e-6)).run([dense, w, out[0]!], 3);
        const strided = rmsNormKernel(target, 1, width, 1e-6, rowBytesOf(from + width));
        await kernelOn(device, strided).run([wide.slice(from), w, out[1]!], 3);
        assert.deepEqual(out[1], out[0], `${width} at ${from}`);
      }
    });

    test("concat puts rows side by side", async () => {
      const [a, b] = [inside(4, 64, 32, 128), inside(4, 50, 0, 50)];
      const out = new Float32Array(4 * rowFloats(114));
      const kernel = concatKernel(target, [64, 50], [rowBytesOf(128), rowBytesOf(50)]);
      await kernelOn(device, kernel).run([a.wide.slice(32), b.dense, out], 4);
      for (let t = 0; t < 4; t++) {
        const row = out.subarray(t * rowFloats(114), (t + 1) * rowFloats(114));
        assert.deepEqual(row.slice(0, 64), a.dense.slice(t * 64, t * 64 + 64));
        assert.deepEqual(row.slice(64, 128), b.dense.slice(t * 64, t * 64 + 64));
      }
    });
  });
}
