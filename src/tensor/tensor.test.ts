/** Every operation and loss: values and gradients as PyTorch's, eagerly and compiled. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNear, type FixtureCase, numbers, readFixture, weighed, wholeNumbers } from "../test/tensor-fixtures.ts";
import { cat, clamp, grad, jit, nn, oneHot, stack, type Tensor, tensor, where } from "./index.ts";
import { normalize } from "./normalize.ts";
import { tidy } from "./scope.ts";

type Op = (...t: readonly [Tensor, Tensor, Tensor]) => Tensor;

const ops: Readonly<Record<string, Op>> = {
  ...Object.fromEntries(
    (
      [
        ...["neg", "abs", "exp", "sin", "cos", "tanh", "sigmoid", "erf", "floor", "square", "relu", "sign"],
        ...["log", "sqrt", "rsqrt", "reciprocal", "silu", "gelu", "softplus", "leakyRelu", "elu"],
      ] as ("neg" | "elu")[]
    ).map((name): [string, Op] => [name, (x) => x[name]()]),
  ),
  ...Object.fromEntries(
    (
      [
        ...["add", "sub", "mul", "div", "pow", "maximum", "minimum"],
        ...["eq", "ne", "lt", "le", "gt", "ge", "matmul"],
      ] as ("add" | "matmul")[]
    ).map((name): [string, Op] => [name, (a, b) => a[name](b)]),
  ),
  geluTanh: (x) => x.gelu({ approximate: "tanh" }),
  clamp: (x) => clamp(x, -0.5, 0.4),
  broadcast: (a, b) => a.mul(b).add(b),
  scalar: (x) => x.neg().add(2).mul(3).div(x.add(2)),
  where: (c, a, b) => where(c.gt(0), a, b),
  reshape: (x) => x.reshape(3, -1).exp(),
  permute: (x) => x.permute(2, 0, 1).square(),
  transpose: (x) => x.transpose(-2, -1).square(),
  broadcastTo: (x) => x.broadcastTo(2, 3, 4).square(),
  squeeze: (x) => x.squeeze(1).unsqueeze(0).square(),
  flatten: (x) => x.flatten(1).square(),
  slice: (x) => x.slice(1, 1, 6, 2).square(),
  index: (x) => x.index(1, null, [1, 3]).square(),
  pad: (x) =>
    x
      .pad(
        [
          [0, 1],
          [1, 2],
        ],
        0.5,
      )
      .square(),
  flip: (x) => x.flip(1).mul(x),
  cat: (a, b) => cat([a, b], 1).square(),
  stack: (a, b) => stack([a, b], 1).square(),
  split: (x) => x.split(2, 1)[1]!.mul(x.chunk(2, 1)[0]!.slice(1, 0, 1)),
  take: (x, i) => x.take(i, 1).square(),
  gather: (x, i) => x.gather(1, i).square(),
  oneHot: (i) => oneHot(i, 4),
  tril: (x) => x.tril(1),
  triu: (x) => x.triu(-1),
  sum: (x) => x.sum([0, 2]).square(),
  sumAll: (x) => x.sum().square(),
  mean: (x) => x.mean(1, { keepDims: true }).square(),
  max: (x) => x.max(1).square(),
  min: (x) => x.min([0, 1]).square(),
  variance: (x) => x.variance(1),
  std: (x) => x.std([0, 2], { correction: 0 }),
  norm: (x) => x.norm(1),
  argmax: (x) => x.argmax(1).to("f32"),
  cumsum: (x) => x.cumsum(0).square(),
  softmax: (x) => x.softmax(),
  softmaxFirst: (x) => x.softmax(0),
  logSoftmax: (x) => x.logSoftmax(),
  logSumExp: (x) => x.logSumExp(1),
  matmulBatched: (a, b) => a.matmul(b),
  matmulRows: (a, b) => a.matmul(b),
  matmulVectors: (a, b) => a.matmul(b),
  matmulVector: (a, b) => a.matmul(b),
  linear: nn.linear,
  embedding: (w, i) => nn.embedding(i, w),
  attention: (q, k, v) => nn.attention(q, k, v),
  attentionCausal: (q, k, v) => nn.attention(q, k, v, { causal: true }),
  conv2d: (x, w, b) => nn.conv2d(x, w, b, { stride: [2, 1], padding: 1 }),
  conv2dGroups: (x, w, b) => nn.conv2d(x, w, b, { groups: 2, dilation: 2 }),
  maxPool2d: (x) => nn.maxPool2d(x, 3, { stride: 2, padding: 1 }),
  avgPool2d: (x) => nn.avgPool2d(x, 2, { padding: 1 }),
  layerNorm: nn.layerNorm,
  rmsNorm: (x, w) => nn.rmsNorm(x, w),
  groupNorm: (x, w, b) => nn.groupNorm(x, 2, w, b),
  batchNorm: (x, w, b) => normalize(x, [0, 1, 2], 1e-5).y.mul(w).add(b),
};

const losses: Readonly<Record<string, Op>> = {
  mse: (x, t) => nn.mseLoss(x, t),
  mseSum: (x, t) => nn.mseLoss(x, t, { reduction: "sum" }),
  l1: (x, t) => nn.l1Loss(x, t),
  bceWithLogits: (x, t) => nn.bceWithLogitsLoss(x, t),
  crossEntropy: (x, t) => nn.crossEntropy(x, t),
  crossEntropyIgnored: (x, t) => nn.crossEntropy(x, t, { ignoreIndex: 2 }),
  crossEntropyNone: (x, t) => nn.crossEntropy(x, t, { reduction: "none" }),
  crossEntropySum: (x, t) => nn.crossEntropy(x, t, { reduction: "sum" }),
  nll: (x, t) => nn.nllLoss(x, t, { ignoreIndex: 2 }),
};

function check(c: FixtureCase, op: Op): void {
  const inputs = c.inputs.map((shape, i) => numbers(i, shape, { positive: c.positive ?? false }));
  const extra = c.indices === undefined ? [] : [wholeNumbers(c.indices.shape, c.indices.below)];
  const apply = (floats: readonly Tensor[]): Tensor =>
    op(...([...floats, ...extra] as unknown as [Tensor, Tensor, Tensor]));
  if (c.gradients === undefined) {
    const y = apply(inputs);
    assert.deepEqual(y.shape, c.shape);
    return assertNear(y, c.value, c.name);
  }
  for (const x of inputs) x.requireGrad();
  const y = apply(inputs);
  assert.deepEqual(y.shape, c.shape);
  assertNear(y, c.value, c.name);
  weighed(y).backward();
  for (const [i, expected] of c.gradients.entries()) assertNear(inputs[i]!.grad!, expected, `${c.name}, gradient ${i}`);

  // The same as one compiled function, and as the gradient of a compiled function.
  const plain = inputs.map((x) => x.detach());
  const loss = (list: readonly Tensor[]): Tensor => weighed(apply(list));
  for (const f of [jit(grad(loss)), grad(jit(loss))]) {
    const gradients = f(plain);
    for (const [i, expected] of c.gradients.entries())
      assertNear(gradients[i]!, expected, `${c.name} compiled, gradient ${i}`);
  }
}

for (const [file, table] of [
  ["ops", ops],
  ["losses", losses],
] as const) {
  const cases = readFixture<readonly FixtureCase[]>(file);
  test(`${file}: each has a fixture, and each fixture is tested`, () => {
    assert.deepEqual(Object.keys(table).toSorted(), cases.map(({ name }) => name).toSorted());
  });
  for (const c of cases) test(`${c.name} as in PyTorch`, () => tidy(() => check(c, table[c.name]!)));
}

test("small results keep their digits, and infinite rows their logarithm", () => {
  const x = [-80, -30, -10, -5, -1, 0, 3, 40];
  const near = (got: Tensor, wanted: (v: number) => number, name: string): void => {
    for (const [i, y] of got.data().entries()) {
      const w = wanted(x[i]!);
      assert.ok(Math.abs(y - w) <= 4e-7 * Math.abs(w), `${name}(${x[i]}) is ${y}, not ${w}`);
    }
  };
  near(tensor(x).softplus(), (v) => Math.log1p(Math.exp(-Math.abs(v))) + Math.max(0, v), "softplus");
  near(tensor(x.map((v) => v * 1e-6)).elu(), (v) => (v > 0 ? v * 1e-6 : Math.expm1(v * 1e-6)), "elu");
  for (const f of ["softplus", "elu"] as const) {
    const leaf = tensor(x).requireGrad();
    leaf[f]().sum().backward();
    const slope = (v: number): number => (f === "elu" ? Math.exp(Math.min(0, v)) : 1 / (1 + Math.exp(-v)));
    near(leaf.grad!, slope, `the gradient of ${f}`);
  }
  const infinity = Number.POSITIVE_INFINITY;
  const rows = tensor([
    [infinity, 1, -infinity],
    [-infinity, -infinity, -infinity],
    [-infinity, 2, -infinity],
  ]);
  assert.deepEqual([...rows.logSumExp().data()], [infinity, -infinity, 2]);
});
