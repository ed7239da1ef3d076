/** Ten steps of each optimizer as PyTorch's; clipping, schedules, accumulation; the compiled step against the eager one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNear, numbers, readFixture } from "../test/tensor-fixtures.ts";
import { manualSeed, nn, optim, type Tensor, tensor } from "./index.ts";

interface OptimizerCase {
  readonly name: string;
  readonly steps: readonly (readonly number[])[];
  readonly last: readonly number[];
}

const rules: Readonly<Record<string, optim.Rule>> = {
  sgd: optim.sgd({ lr: 0.1 }),
  sgdMomentum: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
  sgdNesterov: optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
  adam: optim.adam({ lr: 0.05, weightDecay: 0.01 }),
  adamW: optim.adamW({ lr: 0.05, weightDecay: 0.1 }),
  lion: optim.lion({ lr: 0.02, betas: [0.9, 0.99], weightDecay: 0.1 }),
};

for (const c of readFixture<readonly OptimizerCase[]>("optimizers")) {
  test(`${c.name}: ten steps as in PyTorch`, () => {
    const p = numbers(0, [4, 3]).requireGrad();
    const optimizer = new optim.Optimizer({ p }, rules[c.name]!);
    for (const expected of c.steps) {
      optimizer.zeroGrad();
      p.sin().mul(p).add(p.mul(0.3)).sum().backward();
      optimizer.step();
      assertNear(p.flatten().slice(0, 0, 4), expected, c.name);
    }
    assertNear(p, c.last, c.name);
  });
}

const batch = (): [Tensor, Tensor] => [numbers(3, [6, 4]), tensor(Int32Array.of(0, 1, 2, 2, 1, 0))];

function modelOf(seed: number): nn.Sequential {
  manualSeed(seed);
  return new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Linear(8, 3));
}

const weights = (model: nn.Module): number[] => Object.values(model.stateDict()).flatMap((t) => [...t.data()]);

test("a compiled step with clipping is the eager one, and writes parameters where they lie", () => {
  const [eager, compiled] = [modelOf(1), modelOf(1)];
  const [x, y] = batch();
  const optimizer = new optim.AdamW(eager.parameters(), { lr: 0.02 });
  const step = new optim.TrainStep(
    compiled,
    optim.adamW({ lr: 0.02 }),
    (a: Tensor, b: Tensor) => nn.crossEntropy(compiled.forward(a), b),
    { clipNorm: 0.1 },
  );
  for (let i = 0; i < 5; i++) {
    optimizer.zeroGrad();
    const loss = nn.crossEntropy(eager.forward(x), y);
    loss.backward();
    const norm = optim.clipGradNorm(eager.parameters(), 0.1);
    assert.ok(norm > 0.1, `the norm was ${norm}: the clipping shows`);
    optimizer.step();
    assert.ok(Math.abs(step.step(x, y).item() - loss.item()) < 1e-5);
  }
  const expected = weights(eager);
  assertNear(tensor(weights(compiled)), expected, "weights");
  assert.equal(step.steps, 5);
});

test("accumulated gradients of two halves move as the whole batch does", () => {
  const [whole, parts] = [modelOf(2), modelOf(2)];
  const loss = (model: nn.Sequential) => (a: Tensor, b: Tensor) => nn.crossEntropy(model.forward(a), b);
  const one = new optim.TrainStep(whole, optim.sgd({ lr: 0.3, momentum: 0.9 }), loss(whole));
  const two = new optim.TrainStep(parts, optim.sgd({ lr: 0.3, momentum: 0.9 }), loss(parts), { accumulate: 2 });
  const [x, y] = batch();
  for (let i = 0; i < 3; i++) {
    one.step(x, y);
    two.step(x.slice(0, 0, 3), y.slice(0, 0, 3));
    two.step(x.slice(0, 3), y.slice(0, 3));
  }
  assert.equal(two.steps, 3);
  assertNear(tensor(weights(parts)), weights(whole), "weights");
});

test("a step goes on from its saved state", () => {
  const model = modelOf(4);
  const make = (m: nn.Sequential) =>
    new optim.TrainStep(m, optim.adam(), (a: Tensor, b: Tensor) => nn.crossEntropy(m.forward(a), b), { seed: 3 });
  const step = make(model);
  const [x, y] = batch();
  step.step(x, y);
  const copy = modelOf(5).loadStateDict(model.stateDict()) as nn.Sequential;
  const resumed = make(copy);
  resumed.restore(step.state);
  for (const s of [step, resumed]) s.step(x, y);
  assert.deepEqual(weights(copy), weights(model));
});

test("gradients are held by value; schedules", () => {
  const clipped = optim.clipByValue({ g: tensor([-3, 0.5, 2]) }, 1);
  assert.deepEqual(clipped.g!.toArray(), [-1, 0.5, 1]);
  const { schedule } = optim;
  const cosine = schedule.cosine(1, 110, { warmup: 10, end: 0.2 });
  assert.deepEqual(
    [cosine(5), cosine(10), cosine(110), cosine(500)].map((r) => Number(r.toFixed(6))),
    [0.5, 1, 0.2, 0.2],
  );
  assert.ok(Math.abs(cosine(60) - 0.6) < 1e-9);
  assert.deepEqual([1, 6, 11, 99].map(schedule.linear(2, 11)), [2, 1, 0, 0]);
  assert.deepEqual([1, 3, 4].map(schedule.stepwise(1, 3, 0.5)), [1, 1, 0.5]);
  const p = tensor([1], { requiresGrad: true });
  const optimizer = new optim.SGD([p], { lr: (step) => 1 / step });
  for (let i = 0; i < 2; i++) {
    optimizer.zeroGrad();
    p.sum().backward();
    optimizer.step();
  }
  assert.equal(p.item(), -0.5);
});
