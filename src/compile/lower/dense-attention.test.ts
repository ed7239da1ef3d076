/** Attention and its gradients over dense arrays, on every level, against plain arithmetic. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Random, stream } from "../../core/random.ts";
import { integer } from "../../test/kernel-data.ts";
import { openLevels } from "../../test/kernel-rig.ts";
import { runLowered } from "../../test/lowered-rig.ts";
import { type DenseAttention, lowerDenseAttention, lowerDenseAttentionGradient } from "./dense-attention.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const noise = (r: Random, count: number): Float32Array =>
  Float32Array.from({ length: count }, () => 2 * (r() + r() - 1));

type Four = readonly [Float32Array, Float32Array, Float32Array, Float32Array];

/** [result, dq, dk, dv] */
function plain(a: DenseAttention, [q, k, v, dy]: Four): Four {
  const { queries, keys, width } = a;
  const results = [q, q, k, k].map(({ length }) => new Float32Array(length)) as unknown as Four;
  const [out, dq, dk, dv] = results;
  for (let i = 0; i < a.batch * queries; i++) {
    const base = Math.floor(i / queries) * keys;
    const seen = a.causal ? (i % queries) + 1 + keys - queries : keys;
    const dot = (x: Float32Array, y: Float32Array, j: number): number => {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += x[i * width + c]! * y[(base + j) * width + c]!;
      return sum;
    };
    const scores = Array.from({ length: seen }, (_, j) => a.scale * dot(q, k, j));
    const most = Math.max(...scores);
    const powers = scores.map((x) => Math.exp(x - most));
    const total = powers.reduce((sum, x) => sum + x, 0);
    const p = powers.map((x) => x / total);
    const g = p.map((_, j) => dot(dy, v, j));
    const mean = p.reduce((sum, x, j) => sum + x * g[j]!, 0);
    for (const [j, x] of p.entries()) {
      const ds = a.scale * x * (g[j]! - mean);
      for (let c = 0; c < width; c++) {
        const [here, there] = [i * width + c, (base + j) * width + c];
        out[here] = out[here]! + x * v[there]!;
        dq[here] = dq[here]! + ds * k[there]!;
        dk[there] = dk[there]! + ds * q[here]!;
        dv[there] = dv[there]! + x * dy[here]!;
      }
    }
  }
  return results;
}

function near(got: Float32Array, want: Float32Array, what: string): void {
  const worst = got.findIndex((v, i) => !(Math.abs(v - want[i]!) <= 2e-5));
  assert.equal(worst, -1, `${got[worst]} is ${want[worst]}: ${what} (HEDDLE_SEED=${seed})`);
}

for (const device of devices) {
  test(`${device.level}: results and gradients are those of plain arithmetic`, async () => {
    const r = stream(seed);
    for (let round = 0; round < 8; round++) {
      const queries = integer(r, 1, 75);
      const a: DenseAttention = {
        ...{ batch: integer(r, 1, 3), queries, keys: queries + (r() < 0.5 ? 0 : integer(r, 1, 40)) },
        ...{ width: 16 * integer(r, 1, 4), causal: r() < 0.6, scale: 0.1 + r() },
      };
      const sizes = [a.queries, a.keys, a.keys, a.queries].map((n) => a.batch * n * a.width);
      const inputs = sizes.map((n) => noise(r, n)) as unknown as Four;
      const [out, dq, dk, dv] = plain(a, inputs);
      const got = new Float32Array(out.length);
      await runLowered(device, lowerDenseAttention(device.target, a), inputs.slice(0, 3), got);
      near(got, out, `result of ${JSON.stringify(a)}`);
      const gradients = new Float32Array(dq.length + dk.length + dv.length);
      await runLowered(device, lowerDenseAttentionGradient(device.target, a), inputs, gradients);
      near(gradients.subarray(0, dq.length), dq, `gradient of q of ${JSON.stringify(a)}`);
      near(gradients.subarray(dq.length, dq.length + dk.length), dk, `gradient of k of ${JSON.stringify(a)}`);
      near(gradients.subarray(dq.length + dk.length), dv, `gradient of v of ${JSON.stringify(a)}`);
    }
  });
}
