/**
 * Every kernel on every level against plain arithmetic in doubles, over random shapes with tails and odd sizes. What each
 * kernel promises bit for bit (rows alone equal rows together) is compared bit for bit.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bfloatToFloat, floatToBfloat } from "../core/half.ts";
import { stream } from "../core/random.ts";
import { openDevice } from "../device/open.ts";
import { integer, matrix, product, quantised, rows } from "../test/kernel-data.ts";
import { kernelOn, openLevels, scratchBytes } from "../test/kernel-rig.ts";
import {
  embedKernel,
  gatherKernel,
  mapKernel,
  narrowKernel,
  quantizeKernel,
  rmsNormKernel,
  ropeKernel,
} from "../test/row-kernels.ts";
import { type BlockType, blockFormats } from "./block-format.ts";
import { fact, quantLayout, rowFloats, type WeightFormat, weightLayout } from "./layout.ts";
import { activationBytes, lowerLinear } from "./lower/linear.ts";
import { lowerPack } from "./lower/pack.ts";
import { type RowOp, rowBytesOf } from "./lower/rows.ts";
import { lowerRowMaxima, lowerRowSums, statisticsFloats, statisticsItems } from "./lower/statistics.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const random = stream(seed);
const { devices, missing } = await openLevels();
if (devices.some((d) => d.level === "x64-avx512" && d.target.dotBf16)) {
  devices.push(await openDevice("x64-avx512", { threads: 2, scratchBytes, bf16: false }));
}
if (missing.length > 0) console.log(`# levels that cannot run here: ${missing.join(", ")}`);
after(async () => {
  for (const device of devices) await device.close();
});

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, relative: number, what: string): void {
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    assert.ok(error <= relative * scale, `${what}: [${i}] is ${actual[i]}, not ${expected[i]} (HEDDLE_SEED=${seed})`);
  }
}

const formats: readonly WeightFormat[] = [
  { kind: "f32" },
  { kind: "bf16" },
  ...(Object.keys(blockFormats) as BlockType[]).map((type) => ({ kind: "blocks", type }) as const),
];

/** Whole blocks, or any number of columns. */
function widthOf(format: WeightFormat, extra: number): number {
  if (format.kind === "blocks") return blockFormats[format.type].block * integer(random, 1, 2);
  return 32 * integer(random, 1, 4) + extra;
}

for (const device of devices) {
  const { target } = device;
  describe(`${device.level}${target.dotBf16 ? " with bf16" : ""}`, () => {
    for (const format of formats) {
      test(`linear ${Object.values(format).join(" ")}: right, and each row alone is the same bits`, async () => {
        for (let n = 0; n < 4; n++) {
          const shape = {
            n: integer(random, 1, 90),
            k: widthOf(format, n),
            bias: n % 2 === 1,
          };
          const count = integer(random, 1, 27);
          const { packed, plain } = matrix(random, format, shape.n, shape.k);
          const x = rows(random, count, shape.k);
          const bias = rows(random, 1, shape.n);
          const kernel = kernelOn(device, lowerLinear(target, format, shape));
          const prepare = format.kind === "blocks" ? quantizeKernel : format.kind === "bf16" ? narrowKernel : undefined;
          const prepared = prepare === undefined ? undefined : kernelOn(device, prepare(target, shape.k));
          const run = async (input: Float32Array, tokens: number): Promise<Float32Array> => {
            const out = new Float32Array(tokens * rowFloats(shape.n)).fill(7);
            let operand: Float32Array | Uint8Array = input;
            if (prepared !== undefined) {
              operand = new Uint8Array(tokens * activationBytes(format, shape.k, target));
              await prepared.run([input, operand], tokens);
            }
            await kernel.run(
              [packed, operand, tokens, ...(shape.bias ? [bias] : []), out],
              weightLayout(format, shape.n, shape.k).panels,
            );
            return out;
          };
          const together = await run(x, count);
          const stride = rowFloats(shape.k);
          const seen = Array.from({ length: count }, (_, t) => {
            const row = x.subarray(t * stride, (t + 1) * stride);
            if (format.kind === "blocks") return quantised(row, shape.k);
            return format.kind === "bf16" ? row.map((v) => bfloatToFloat(floatToBfloat(v))) : row;
          });
          const expected = product((t, i) => seen[t]![i]!, plain, count, shape.n, shape.k);
          if (shape.bias)
            for (let t = 0; t < count; t++)
              for (let o = 0; o < shape.n; o++) expected[t * rowFloats(shape.n) + o]! += bias[o]!;
          close(together, expected, 1e-5, `${format.kind} ${JSON.stringify(shape)} of ${count}`);
          for (let t = 0; t < count; t++) {
            const alone = await run(x.slice(t * stride, (t + 1) * stride), 1);
            assert.deepEqual(alone, together.slice(t * alone.length, (t + 1) * alone.length), `row ${t} of ${count}`);
          }
        }
      });
      test(`embed ${Object.values(format).join(" ")}`, async () => {
        const [n, k] = [integer(random, 3, 70), widthOf(format, 1)];
        const { packed, plain } = matrix(random, format, n, k);
        const tokens = Int32Array.from({ length: 9 }, () => integer(random, 0, n - 1));
        const out = new Float32Array(9 * rowFloats(k));
        await kernelOn(device, embedKernel(target, format, { n, k }, 3)).run([tokens, packed, out], 9);
        for (const [i, token] of tokens.entries()) {
          const expected = plain.subarray(token * k, (token + 1) * k).map((x) => 3 * x);
          close(out.subarray(i * rowFloats(k), i * rowFloats(k) + k), expected, 1e-6, `token ${token}`);
        }
      });
    }

    for (const kind of ["f32", "bf16"] as const) {
      test(`packing ${kind}: every row in its column, none beyond the last`, async () => {
        for (const [n, k] of [
          [33, 64],
          [70, 131],
          [5, 7],
        ] as const) {
          const { packed, plain } = matrix(random, { kind }, n, k);
          const floats = Float32Array.from(plain);
          const rowsOf = kind === "f32" ? floats : Uint16Array.from(floats, floatToBfloat);
          const out = new Uint8Array(packed.length);
          const { panels } = weightLayout({ kind }, n, k);
          await kernelOn(device, lowerPack(target, { kind }, n, k)).run([rowsOf, out, n], panels);
          assert.deepEqual(out, packed, `${n}×${k}`);
        }
      });
    }

    test("quantize: codes of -127 … 127, facts that add up, zeros stay zero", async () => {
      const k = 96;
      const x = rows(random, 5, k);
      x.fill(0, rowFloats(k), 2 * rowFloats(k));
      const layout = quantLayout(k, target.dot4);
      const out = new Uint8Array(5 * layout.rowBytes);
      await kernelOn(device, quantizeKernel(target, k)).run([x, out], 5);
      const view = new DataView(out.buffer);
      for (let t = 0; t < 5; t++) {
        const expected = quantised(x.subarray(t * rowFloats(k), (t + 1) * rowFloats(k)), k);
        for (let b = 0; b < k / 32; b++) {
          const at = t * layout.rowBytes + layout.facts + b * fact.stride;
          const scale = view.getFloat32(at + fact.scale, true);
          const codes = Array.from(expected.subarray(b * 32, b * 32 + 32), (v) =>
            scale === 0 ? 0 : Math.round(v / scale),
          );
          const sum = codes.reduce((s, c) => s + c, 0);
          const low = codes.slice(0, 16).reduce((s, c) => s + c, 0);
          assert.equal(view.getInt32(at + fact.negative, true), -sum || 0);
          assert.equal(view.getInt32(at + fact.negativeLow, true), -low || 0);
          assert.ok(
            Math.abs(view.getFloat32(at + fact.sum, true) - sum * scale) <= 1e-6 * Math.abs(sum * scale) + 1e-12,
          );
          if (t === 1) assert.equal(scale, 0);
        }
      }
    });

    test("rmsNorm over one run and over heads", async () => {
      for (const [heads, width] of [
        [1, 40],
        [1, 640],
        [3, 16],
        [4, 32],
      ] as const) {
        const x = rows(random, 5, heads * width);
        const w = rows(random, 1, width);
        const out = new Float32Array(x.length).fill(9);
        await kernelOn(device, rmsNormKernel(target, heads, width, 1e-6)).run([x, w, out], 5);
        for (let t = 0; t < 5; t++) {
          for (let h = 0; h < heads; h++) {
            const at = t * rowFloats(heads * width) + h * width;
            const row = x.subarray(at, at + width);
            const scale = 1 / Math.sqrt(row.reduce((s, v) => s + v * v, 0) / width + 1e-6);
            close(
              out.subarray(at, at + width),
              row.map((v, i) => v * scale * w[i]!),
              1e-5,
              `rmsNorm ${heads}×${width}`,
            );
          }
          if (heads === 1)
            for (let i = width; i < rowFloats(width); i++) assert.equal(out[t * rowFloats(width) + i], 0);
        }
      }
    });

    test("elementwise ops, and their range", async () => {
      const tanh = (x: number): number => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
      const sigmoid = (x: number): number => x / (1 + Math.exp(-x));
      const plain: Readonly<Record<RowOp, (x: number, y: number) => number>> = {
        add: (x, y) => x + y,
        mul: (x, y) => x * y,
        gelu: tanh,
        silu: sigmoid,
        relu: (x) => Math.max(x, 0),
        geluMul: (x, y) => tanh(x) * y,
        siluMul: (x, y) => sigmoid(x) * y,
      };
      for (const [op, f] of Object.entries(plain) as [RowOp, (x: number, y: number) => number][]) {
        const [a, b] = [rows(random, 3, 50), rows(random, 3, 50)];
        for (let i = 0; i < a.length; i += 3) a[i]! *= 40;
        const out = new Float32Array(a.length);
        const two = f.length === 2;
        await kernelOn(
          device,
          mapKernel(target, op, 50, two ? [rowBytesOf(50), rowBytesOf(50)] : [rowBytesOf(50)]),
        ).run(two ? [a, b, out] : [a, out], 3);
        for (const [i, v] of out.entries()) {
          const expected = f(a[i]!, b[i]!);
          assert.ok(
            Math.abs(v - expected) <= 2e-5 * Math.abs(expected) + 1e-30,
            `${op}(${a[i]}, ${b[i]}) = ${v}, not ${expected}`,
          );
        }
      }
    });

    test("gather", async () => {
      const x = rows(random, 7, 50);
      const out = new Float32Array(3 * rowFloats(50));
      await kernelOn(device, gatherKernel(target, 50)).run([x, Int32Array.of(6, 0, 3), out], 3);
      for (const [i, row] of [6, 0, 3].entries()) {
        assert.deepEqual(out.slice(i * 64, i * 64 + 64), x.slice(row * 64, row * 64 + 64));
      }
    });

    test("rope rotates pairs half a head apart", async () => {
      for (const [heads, width] of [
        [3, 16],
        [2, 64],
      ] as const) {
        const x = rows(random, 4, heads * width);
        const positions = Int32Array.of(0, 5, 2, 7);
        const angle = (p: number, i: number): number => p * 10 ** (-i / width);
        const table = new Float32Array(8 * 2 * width);
        for (let p = 0; p < 8; p++) {
          for (let i = 0; i < width; i++) {
            const a = angle(p, i % (width / 2));
            table[p * 2 * width + i] = Math.cos(a);
            table[p * 2 * width + width + i] = (i < width / 2 ? -1 : 1) * Math.sin(a);
          }
        }
        const out = new Float32Array(x.length);
        await kernelOn(device, ropeKernel(target, heads, width)).run([x, positions, table, out], 4);
        for (let t = 0; t < 4; t++) {
          for (let h = 0; h < heads; h++) {
            const at = t * rowFloats(heads * width) + h * width;
            for (let i = 0; i < width / 2; i++) {
              const [u, v] = [x[at + i]!, x[at + i + width / 2]!];
              const a = angle(positions[t]!, i);
              assert.ok(Math.abs(out[at + i]! - (u * Math.cos(a) - v * Math.sin(a))) < 1e-5);
              assert.ok(Math.abs(out[at + i + width / 2]! - (v * Math.cos(a) + u * Math.sin(a))) < 1e-5);
            }
          }
        }
      }
    });

    test("statistics of logits", async () => {
      const vocabulary = 256 * 19 + 5;
      const logits = new Float32Array(2 * rowFloats(vocabulary)).map(() => 20 * (random() - 0.5));
      const floats = statisticsFloats(vocabulary);
      const [maxima, sums] = [new Float32Array(2 * floats), new Float32Array(2 * floats)];
      const items = 2 * statisticsItems(vocabulary);
      await kernelOn(device, lowerRowMaxima(target, vocabulary)).run([logits, maxima], items);
      await kernelOn(device, lowerRowSums(target, vocabulary)).run(
        [logits, maxima, Float32Array.of(1, 0.5), sums],
        items,
      );
      for (let row = 0; row < 2; row++) {
        const whole = logits.subarray(row * rowFloats(vocabulary), row * rowFloats(vocabulary) + 256 * 19);
        const max = Math.max(...whole);
        for (let i = 0; i < 19; i++) {
          const part = whole.subarray(i * 256, i * 256 + 256);
          assert.equal(maxima[row * floats + i], Math.max(...part));
          const expected = part.reduce((s, x) => s + Math.exp((x - max) * (row === 0 ? 1 : 0.5)), 0);
          assert.ok(Math.abs(sums[row * floats + i]! - expected) < 1e-5 * expected);
        }
      }
    });
  });
}
