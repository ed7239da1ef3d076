/**
 * Attention on every level against plain arithmetic in doubles. Bit for bit the same: a token alone and with others, whole and
 * cut into shares, on all levels.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { floatToHalf, halfToFloat } from "../../core/half.ts";
import { stream } from "../../core/random.ts";
import type { Device } from "../../device/device.ts";
import { integer, rows } from "../../test/kernel-data.ts";
import { kernelOn, openLevels } from "../../test/kernel-rig.ts";
import { cacheStoreKernel } from "../../test/row-kernels.ts";
import { rowFloats } from "../layout.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import {
  type AttentionShape,
  attentionMasks,
  lowerAttention,
  lowerAttentionShares,
  partialsBytes,
  sharedTokensMax,
  sharesOf,
} from "./attention.ts";
import { blockBytes, positionsPerBlock, toHalf } from "./cache-store.ts";

const { devices } = await openLevels();
after(async () => void (await Promise.all(devices.map((device) => device.close()))));

const shapes: readonly AttentionShape[] = [
  { heads: 4, kvHeads: 1, width: 32, scale: 0.2, window: undefined, cache: "f16" },
  { heads: 6, kvHeads: 3, width: 16, scale: 0.25, window: 200, cache: "f16" },
  { heads: 5, kvHeads: 5, width: 48, scale: 0.1, window: 16, cache: "f32" },
  { heads: 9, kvHeads: 1, width: 16, scale: 0.3, window: undefined, cache: "f32" },
];
const length = 300;

/** Random keys and values, in blocks in a random order, and what a kernel over them is run with. */
function caseOf(shape: AttentionShape, seed: number) {
  const random = stream(seed);
  const { heads, kvHeads, width, cache } = shape;
  const blocks = Math.ceil(length / positionsPerBlock);
  const table = Int32Array.from({ length: blocks }, (_, i) => (7 * i + 3) % blocks);
  // Numbers that the cache can keep as they are.
  const kept = (x: Float32Array): Float32Array => (cache === "f32" ? x : x.map((n) => halfToFloat(floatToHalf(n))));
  const [k, v] = [kept(rows(random, length, kvHeads * width)), kept(rows(random, length, kvHeads * width))] as const;
  const positions = [length - 1, 0, 127, 128, ...Array.from({ length: 3 }, () => integer(random, 0, length - 1))];
  const q = rows(random, positions.length, heads * width);
  // What an earlier owner left in the blocks must not matter.
  const used = (): Float32Array | Uint16Array => {
    const old = Float32Array.from(
      { length: (blocks * blockBytes(shape)) / (cache === "f32" ? 4 : 2) },
      () => 40 * random(),
    );
    return cache === "f32" ? old : Uint16Array.from(old, floatToHalf);
  };
  return { table, k, v, positions, q, caches: [used(), used()] as const };
}

type Case = ReturnType<typeof caseOf>;

async function fill(device: Device, shape: AttentionShape, { table, k, v, caches }: Case): Promise<void> {
  const slots = Int32Array.from({ length }, (_, p) => table[p >> 4]! * positionsPerBlock + (p & 15));
  await kernelOn(device, cacheStoreKernel(device.target, shape)).run([k, v, slots, ...caches], length);
}

async function attend(
  device: Device,
  shape: AttentionShape,
  { table, caches, q, positions }: Case,
  tokens: readonly number[],
  shares: number,
): Promise<Float32Array> {
  const { heads, kvHeads, width } = shape;
  const stride = rowFloats(heads * width);
  const input = Float32Array.from(tokens.flatMap((t) => [...q.subarray(t * stride, (t + 1) * stride)]));
  const places = Int32Array.from(tokens, (t) => positions[t]!);
  const out = new Float32Array(tokens.length * stride);
  const partials = new Float32Array(partialsBytes(shape, length) / 4).fill(Number.NaN);
  const starts = new Int32Array(tokens.length);
  await kernelOn(device, lowerAttention(device.target, shape)).run(
    [input, places, table, starts, ...caches, attentionMasks(), shares, partials, out],
    tokens.length * kvHeads * shares,
    1,
  );
  const combine = kernelOn(device, lowerAttentionShares(device.target, shape));
  await combine.run([places, shares, partials, out], tokens.length * kvHeads);
  return out;
}

/** In doubles, of head h of token t. */
function expected(shape: AttentionShape, { k, v, q, positions }: Case, t: number, h: number): number[] {
  const { heads, kvHeads, width, scale, window = length } = shape;
  const g = Math.floor(h / (heads / kvHeads));
  const cell = (x: Float32Array, p: number, c: number): number => x[p * rowFloats(kvHeads * width) + g * width + c]!;
  const position = positions[t]!;
  const from = Math.max(0, position - window + 1);
  const place = t * rowFloats(heads * width) + h * width;
  const weights = Array.from({ length: position - from + 1 }, (_, i) => {
    let dot = 0;
    for (let c = 0; c < width; c++) dot += q[place + c]! * cell(k, from + i, c);
    return Math.exp(dot * scale);
  });
  const total = weights.reduce((a, b) => a + b, 0);
  return Array.from({ length: width }, (_, c) => weights.reduce((s, e, i) => s + e * cell(v, from + i, c), 0) / total);
}

for (const [seed, shape] of shapes.entries()) {
  const { heads, width, cache, window } = shape;
  describe(`${heads} heads of ${width}, ${cache}${window === undefined ? "" : `, a window of ${window}`}`, () => {
    const results: Float32Array[] = [];
    for (const device of devices) {
      test(`on ${device.level}: as in doubles; a token alone, and cut into shares, is the same bits`, async () => {
        const given = caseOf(shape, seed);
        await fill(device, shape, given);
        const all = given.positions.map((_, t) => t);
        const out = await attend(device, shape, given, all, 1);
        const stride = rowFloats(heads * width);
        for (const t of all) {
          for (let h = 0; h < heads; h++) {
            const row = out.subarray(t * stride + h * width, t * stride + (h + 1) * width);
            for (const [c, x] of expected(shape, given, t, h).entries()) {
              assert.ok(Math.abs(row[c]! - x) < 1e-5, `token ${t} head ${h} channel ${c}: ${row[c]}, not ${x}`);
            }
          }
        }
        for (const shares of [2, 3, 16]) assert.deepEqual(await attend(device, shape, given, all, shares), out);
        const alone = await attend(device, shape, given, [2], 4);
        assert.deepEqual(alone, out.slice(2 * stride, 3 * stride));
        results.push(out);
      });
    }
    test("all levels give the same bits", () => {
      for (const out of results) assert.deepEqual(out, results[0]);
    });
  });
}

test("few tokens are cut into shares for more than one thread, many are not", () => {
  assert.deepEqual(
    [1, 2, 4, 8, 16].map((tokens) => sharesOf(tokens, 2)),
    [16, 8, 4, 2, 1],
  );
  assert.equal(sharesOf(1, 1), 1);
  assert.equal(sharesOf(sharedTokensMax + 1, 64), 1);
});

test("f32 is rounded to the nearest f16, ties to even, subnormal ones and all; the largest stands for what is beyond it", async () => {
  const random = stream(9);
  const values = Float32Array.from({ length: 4096 }, () => (random() - 0.5) * 2 ** integer(random, -28, 17));
  // Ties between neighbours, and what is at the ends of the range.
  for (let h = 0; h < 1024; h++) values[h] = (halfToFloat(31 * h) + halfToFloat(31 * h + 1)) / 2;
  values.set([0, -0, 65504, -65504, 65519, 1e6, -1e6, 2 ** -24, 2 ** -25, 1.5 * 2 ** -25, 6.1e-5], 1024);
  const clamped = values.map((x) => Math.max(-65504, Math.min(65504, x)));
  for (const device of devices) {
    const b = new TileBuilder(device.target);
    const [x, out] = [b.param(), b.param()];
    const { lanes } = device.target;
    b.for(b.begin, b.end, 1, (item) => {
      const from = b.mul(item, lanes * 4);
      b.store(at(out, 0, from), toHalf(b, b.loadF(at(x, 0, from))));
    });
    const found = new Int32Array(values.length);
    await kernelOn(device, b.finish("halves")).run([values, found], values.length / lanes);
    for (const [i, h] of found.entries()) assert.equal(h, floatToHalf(clamped[i]!), `${values[i]} on ${device.level}`);
  }
});
