/** Operations on rows in one kernel, on every level: the same bits as one kernel each, whatever is written and read how often. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Random } from "../../core/random.ts";
import { stream } from "../../core/random.ts";
import { integer, rows } from "../../test/kernel-data.ts";
import { kernelOn, type Operand as Memory, openLevels } from "../../test/kernel-rig.ts";
import type { Target } from "../tile.ts";
import { lowerRows, rowScratch } from "./row-kernel.ts";
import { type Operand, type RowProgram, type RowStep, type RowWork, strideOf, widthOf } from "./row-work.ts";
import { type RowOp, rowBytesOf } from "./rows.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const count = 5;
const one: readonly RowOp[] = ["gelu", "silu", "relu"];
const two: readonly RowOp[] = ["add", "mul", "geluMul", "siluMul"];

/** Memory by parameter: two values, a norm's weight, positions, angles, picked rows. */
function memory(random: Random, width: number): Memory[] {
  const weight = rows(random, 1, width);
  const positions = Int32Array.from({ length: count }, () => integer(random, 0, 7));
  const angles = new Float32Array(8 * 2 * width).map(() => random() - 0.5);
  const picked = Int32Array.from({ length: count }, () => integer(random, 0, count - 1));
  return [rows(random, count, width), rows(random, count, width), weight, positions, angles, picked];
}

/** A random program over rows of `width`: what ends in a narrower type is read by nobody. */
function randomProgram(random: Random, width: number): RowProgram {
  const steps: RowStep[] = [];
  const whole = (param: number): Operand => ({ from: "whole", param });
  const value = (): Operand => {
    const readable = steps.flatMap(({ work }, step) =>
      work.kind === "quantize" || work.kind === "narrow" ? [] : [step],
    );
    const memory = { from: "rows", param: integer(random, 0, 1), stride: rowBytesOf(width) } as const;
    // What was made last is read most, so that chains are long.
    return readable.length > 0 && random() < 0.75
      ? { from: "step", step: readable[Math.max(0, readable.length - 1 - integer(random, 0, 2))]! }
      : memory;
  };
  const pick = <T>(of: readonly T[]): T => of[integer(random, 0, of.length - 1)]!;
  const heads = pick([1, 2].filter((h) => (width / h) % 16 === 0));
  const kinds: readonly (() => Omit<RowStep, "written">)[] = [
    () => ({ work: { kind: "map", op: pick(one), width }, inputs: [value()] }),
    () => ({ work: { kind: "map", op: pick(two), width }, inputs: [value(), value()] }),
    () => ({ work: { kind: "rmsNorm", heads: 1, width, epsilon: 1e-6 }, inputs: [value(), whole(2)] }),
    () => ({
      work: { kind: "rmsNorm", heads, width: width / heads, epsilon: 1e-6 },
      inputs: [value(), whole(2)],
    }),
    () => ({ work: { kind: "rope", heads, width: width / heads }, inputs: [value(), whole(3), whole(4)] }),
    () => ({ work: { kind: "gather", width, stride: rowBytesOf(width) }, inputs: [whole(1), whole(5)] }),
    () => ({ work: { kind: "concat", widths: [width] }, inputs: [value()] }),
    () => ({ work: { kind: "quantize", k: width }, inputs: [value()] }),
    () => ({ work: { kind: "narrow", k: width }, inputs: [value()] }),
  ];
  for (let n = integer(random, 2, 8); n > 0; n--) {
    const step = pick(kinds)();
    const leaves = step.work.kind === "quantize" || step.work.kind === "narrow";
    steps.push({ ...step, written: leaves || n === 1 || random() < 0.25 });
  }
  return { params: 6, steps };
}

const room = (work: RowWork, target: Target): Float32Array => new Float32Array((count * strideOf(work, target)) / 4);

for (const device of devices) {
  const { target } = device;
  const run = async (program: RowProgram, operands: readonly Memory[]): Promise<void> =>
    kernelOn(device, lowerRows(target, program)).run(operands, count);

  /** Each step by a kernel of its own. */
  async function apart({ steps, params }: RowProgram, operands: readonly Memory[]): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    for (const { work, inputs } of steps) {
      const alone = inputs.map(
        (o): Operand =>
          o.from === "step"
            ? { from: "rows", param: params + o.step, stride: strideOf(steps[o.step]!.work, target) }
            : o,
      );
      const out = room(work, target);
      const single = { params: params + results.length, steps: [{ work, inputs: alone, written: true }] };
      await run(single, [...operands, ...results, out]);
      results.push(out);
    }
    return results;
  }

  describe(device.level, () => {
    test("random chains", async () => {
      const random = stream(seed);
      for (let n = 0; n < 40; n++) {
        const width = [32, 64, 96, 1024][integer(random, 0, 3)]!;
        const program = randomProgram(random, width);
        const operands = memory(random, width);
        const expected = await apart(program, operands);
        const outs = program.steps.map(({ work }) => room(work, target));
        await run(program, [...operands, ...outs.filter((_, i) => program.steps[i]!.written)]);
        for (const [i, { work, written }] of program.steps.entries()) {
          if (!written) continue;
          const bytes = (x: Float32Array): Uint8Array => new Uint8Array(x.buffer);
          const [got, want] = [bytes(outs[i]!), bytes(expected[i]!)];
          const stride = strideOf(work, target);
          const used = work.kind === "quantize" || work.kind === "narrow" ? stride : widthOf(work) * 4;
          for (let row = 0; row < count; row++) {
            assert.deepEqual(
              got.subarray(row * stride, row * stride + used),
              want.subarray(row * stride, row * stride + used),
              `run ${n}, step ${i} of ${JSON.stringify(program)} (HEDDLE_SEED=${seed})`,
            );
          }
        }
      }
    });

    test("a residual and its norm keep one row, and what is read once none", () => {
      const x = (param: number): Operand => ({ from: "rows", param, stride: rowBytesOf(64) });
      const step = (n: number): Operand => ({ from: "step", step: n });
      const add = { work: { kind: "map", op: "add", width: 64 }, inputs: [x(0), x(1)], written: false } as const;
      const norm = {
        work: { kind: "rmsNorm", heads: 1, width: 64, epsilon: 1e-6 },
        inputs: [step(0), { from: "whole", param: 2 }],
        written: false,
      } as const;
      const gelu = { work: { kind: "map", op: "gelu", width: 64 }, inputs: [step(1)], written: true } as const;
      assert.equal(rowScratch({ params: 3, steps: [add, norm, gelu] }, target), 64 * 4);
      const activated = { ...gelu, inputs: [step(0)] };
      assert.equal(rowScratch({ params: 2, steps: [add, activated] }, target), 0);
    });
  });
}
