import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { convergesAt, fitLoss, fitSpeed, type LossPoint } from "./convergence.ts";

const within = (found: number, wanted: number, part: number): void =>
  assert.ok(Math.abs(found / wanted - 1) <= part, `${found}, not ${wanted}`);

const curve = { falls: 0.02, first: 0.15, floor: 0.8 };
const lossAt = (done: number): number => 1 / (curve.falls * done + curve.first) + curve.floor;
/** Where the loss falls by 0.0005 a unit. */
const stop = 0.0005;
const end = (Math.sqrt(curve.falls / stop) - curve.first) / curve.falls;

function seen(until: number, count: number, noise: number): LossPoint[] {
  const random = stream(0x10e5);
  return Array.from({ length: count }, (_, i) => {
    const done = (until * (i + 1)) / count;
    return { done, loss: lossAt(done) * (1 + noise * (2 * random() - 1)) };
  });
}

test("a curve that was followed without noise is found whole, and with it the end", () => {
  const found = fitLoss(seen(0.3 * end, 20, 0))!;
  within(found.floor, curve.floor, 0.02);
  within(convergesAt(found, stop), end, 0.02);
});

test("with noise of 1 % the end is predicted within a fifth at a third of the way, within a tenth at two thirds", () => {
  within(convergesAt(fitLoss(seen(end / 3, 40, 0.01))!, stop), end, 0.2);
  within(convergesAt(fitLoss(seen((2 * end) / 3, 60, 0.01))!, stop), end, 0.1);
});

test("too few points, or a loss that does not fall, tell nothing", () => {
  assert.equal(fitLoss(seen(end, 2, 0)), undefined);
  assert.equal(fitLoss([1, 2, 3].map((done) => ({ done, loss: done }))), undefined);
});

test("speeds seen on 1, 2 and 8 GPUs tell those on 4 and 16; one alone is taken to divide by GPUs", () => {
  const rate = (gpus: number): number => 1 / (8 / gpus + 0.4 + 0.02 * gpus);
  const model = fitSpeed([1, 2, 8].map((gpus) => ({ gpus, rate: rate(gpus) })))!;
  within(model(4), rate(4), 1e-6);
  within(model(16), rate(16), 1e-6);
  within(fitSpeed([{ gpus: 1, rate: 2 }])!(4), 8, 1e-6);
  assert.equal(fitSpeed([{ gpus: 2, rate: 0 }]), undefined);
});
