/** Products and what follows in one kernel, on every level: the same bits as a kernel each, for few tokens and many. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { stream } from "../../core/random.ts";
import { integer, matrix, rows } from "../../test/kernel-data.ts";
import { kernelOn, type Operand as Memory, openLevels } from "../../test/kernel-rig.ts";
import { mapKernel, narrowKernel, quantizeKernel } from "../../test/row-kernels.ts";
import { rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import { defaultSchedule } from "../schedule/linear.ts";
import { activationBytes, lowerLinear } from "./linear.ts";
import { lowerPanels } from "./panels.ts";
import { type Operand, type RowProgram, strideOf } from "./row-work.ts";
import { rowBytesOf } from "./rows.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const random = stream(seed);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const formats: readonly WeightFormat[] = [
  { kind: "f32" },
  { kind: "bf16" },
  { kind: "blocks", type: "Q8_0" },
  { kind: "blocks", type: "Q4_K" },
];

for (const device of devices) {
  const { target } = device;
  describe(device.level, () => {
    for (const format of formats) {
      for (const ends of ["quantize", "narrow"] as const) {
        test(`two products of ${Object.values(format).join(" ")}, gated, then ${ends}`, async () => {
          for (const count of [1, integer(random, 2, 5), integer(random, 17, 40)]) {
            const [n, k] = [32 * integer(random, 1, 4), 256];
            const shape = { n, k, bias: count % 2 === 1 };
            const x = rows(random, count, k);
            const read = new Uint8Array(count * activationBytes(format, k, target));
            const prepare =
              format.kind === "blocks" ? quantizeKernel : format.kind === "bf16" ? narrowKernel : undefined;
            if (prepare === undefined) read.set(new Uint8Array(x.buffer));
            else await kernelOn(device, prepare(target, k)).run([x, read], count);
            const products = [1, 2].map(() => ({
              w: matrix(random, format, n, k).packed,
              bias: shape.bias ? [rows(random, 1, n)] : [],
              out: new Float32Array(count * rowFloats(n)),
            }));
            const { panels } = weightLayout(format, n, k);
            for (const { w, bias, out } of products) {
              await kernelOn(device, lowerLinear(target, format, shape)).run([w, read, count, ...bias, out], panels);
            }
            const gate = new Float32Array(count * rowFloats(n));
            const stride = rowBytesOf(n);
            const operands = products.map(({ out }) => out);
            await kernelOn(device, mapKernel(target, "geluMul", n, [stride, stride])).run([...operands, gate], count);
            const expected = new Uint8Array(count * strideOf({ kind: ends, k: n }, target));
            const last = ends === "quantize" ? quantizeKernel : narrowKernel;
            await kernelOn(device, last(target, n)).run([gate, expected], count);

            const product = (i: number): Operand => ({ from: "product", product: i });
            const step = (i: number): Operand => ({ from: "step", step: i });
            const residual: Operand = { from: "rows", param: 0, stride };
            const program: RowProgram = {
              params: 1,
              steps: [
                { work: { kind: "map", op: "gelu", width: n }, inputs: [product(0)], written: false },
                { work: { kind: "map", op: "mul", width: n }, inputs: [step(0), product(1)], written: false },
                { work: { kind: ends, k: n }, inputs: [step(1)], written: true },
                { work: { kind: "map", op: "add", width: n }, inputs: [step(1), residual], written: true },
              ],
            };
            const schedule = defaultSchedule(target, format, shape);
            const kernel = lowerPanels(target, {
              products: products.map(() => ({ format, shape, schedule })),
              rows: program,
            });
            const [got, sum] = [new Uint8Array(expected.length), new Float32Array(gate.length)];
            const own = products.flatMap(({ w, bias }): Memory[] => [w, read, ...bias]);
            await kernelOn(device, kernel).run([count, ...own, gate, got, sum], panels);
            assert.deepEqual(
              used(got, ends),
              used(expected, ends),
              `${n} × ${k}, ${count} tokens (HEDDLE_SEED=${seed})`,
            );
            for (let row = 0; row < count; row++) {
              const at = row * rowFloats(n);
              const twice = gate.slice(at, at + n).map((v) => v + v);
              assert.deepEqual(sum.slice(at, at + n), twice);
            }

            function used(bytes: Uint8Array, kind: "quantize" | "narrow"): readonly Uint8Array[] {
              const size = strideOf({ kind, k: n }, target);
              const each = kind === "quantize" ? size : n * (target.dotBf16 ? 2 : 4);
              return Array.from({ length: count }, (_, row) => bytes.slice(row * size, row * size + each));
            }
          }
        });
      }
    }
  });
}
