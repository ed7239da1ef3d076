/** Chains of products in one kernel, on every level: the same bits as a kernel each, whatever the block and the chunk. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { stream } from "../../core/random.ts";
import { integer, matrix, rows } from "../../test/kernel-data.ts";
import { kernelOn, openLevels } from "../../test/kernel-rig.ts";
import { mapKernel, quantizeKernel } from "../../test/row-kernels.ts";
import { rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import { defaultSchedule } from "../schedule/linear.ts";
import { lowerChain } from "./chain.ts";
import { activationBytes, lowerLinear } from "./linear.ts";
import type { RowStep } from "./row-work.ts";
import { rowBytesOf } from "./rows.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const random = stream(seed);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

for (const device of devices) {
  const { target } = device;
  describe(device.level, () => {
    for (const format of [
      { kind: "f32" },
      { kind: "blocks", type: "Q8_0" },
      { kind: "blocks", type: "Q4_0" },
    ] as const satisfies readonly WeightFormat[]) {
      test(`an activated chain of ${Object.values(format).join(" ")}`, async () => {
        for (const count of [1, integer(random, 2, 9), integer(random, 20, 60)]) {
          const [k, l, n] = [64, 32 * integer(random, 1, 4), integer(random, 1, 70)];
          const [first, last] = [
            { n: l, k, bias: true },
            { n, k: l, bias: false },
          ];
          const quantised = format.kind === "blocks";
          const read = (bytes: number) => new Uint8Array(count * bytes);
          const convert = async (x: Float32Array, width: number): Promise<Uint8Array> => {
            const out = read(activationBytes(format, width, target));
            if (quantised) await kernelOn(device, quantizeKernel(target, width)).run([x, out], count);
            else out.set(new Uint8Array(x.buffer));
            return out;
          };
          const x = await convert(rows(random, count, k), k);
          const [v, w] = [matrix(random, format, l, k).packed, matrix(random, format, n, l).packed];
          const bias = rows(random, 1, l);
          const product = async (
            shape: typeof first,
            weights: Uint8Array,
            input: Uint8Array,
            more: readonly Float32Array[],
          ): Promise<Float32Array> => {
            const out = new Float32Array(count * rowFloats(shape.n));
            const kernel = kernelOn(device, lowerLinear(target, format, shape));
            await kernel.run([weights, input, count, ...more, out], weightLayout(format, shape.n, shape.k).panels);
            return out;
          };
          const made = await product(first, v, x, [bias]);
          const active = new Float32Array(made.length);
          await kernelOn(device, mapKernel(target, "silu", l, [rowBytesOf(l)])).run([made, active], count);
          const expected = await product(last, w, await convert(active, l), []);

          const silu = {
            work: { kind: "map", op: "silu", width: l },
            inputs: [{ from: "product", product: 0 }],
            written: !quantised,
          } as const;
          const quantize: RowStep = {
            work: { kind: "quantize", k: l },
            inputs: [{ from: "step", step: 0 }],
            written: true,
          };
          const scheduled = (shape: typeof first) => ({
            format,
            shape,
            schedule: defaultSchedule(target, format, shape),
          });
          const panels = {
            products: [scheduled(first)],
            rows: { params: 0, steps: quantised ? [silu, quantize] : [silu] },
          };
          for (const block of [1, 4, 16]) {
            const kernel = kernelOn(device, lowerChain(target, { panels, last: scheduled(last), block }));
            const out = new Float32Array(expected.length);
            await kernel.run([v, x, bias, w, out], count, integer(random, 1, 20));
            assert.deepEqual(out, expected, `${k} → ${l} → ${n}, ${count} tokens by ${block} (HEDDLE_SEED=${seed})`);
          }
        }
      });
    }
  });
}
