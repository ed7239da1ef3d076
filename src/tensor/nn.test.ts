/** Layers with PyTorch's parameters: values and every gradient as PyTorch's; states; what layers do with training and seeds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNear, numbers, readFixture, weighed } from "../test/tensor-fixtures.ts";
import { cat, jit, manualSeed, nn, optim, randn, type Tensor, tensor, withKey } from "./index.ts";

interface LayerCase {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly value: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly parameters: readonly (readonly number[])[];
}

type Forward = (...x: readonly [Tensor, Tensor, Tensor]) => Tensor;

/** PyTorch's order of parameters is that of the properties, but for the map of queries, keys and values. */
function layerOf(name: string): readonly [nn.Module, Forward] {
  const rnn = new nn.RNNCell(3, 4);
  const lstm = new nn.LSTMCell(3, 4);
  const gru = new nn.GRUCell(3, 4);
  const whole = new nn.LSTM(3, 4);
  const linear = new nn.Linear(4, 3);
  const heads = new nn.MultiHeadAttention(8, 2, { causal: name === "headsCausal" });
  const table: Readonly<Record<string, readonly [nn.Module, Forward]>> = {
    linear: [linear, (x) => linear.forward(x)],
    rnnCell: [rnn, (x, h) => rnn.forward(x, h)],
    lstmCell: [lstm, (x, h, c) => cat([...lstm.forward(x, [h, c])], 1)],
    gruCell: [gru, (x, h) => gru.forward(x, h)],
    lstm: [whole, (x) => whole.forward(x).outputs],
    heads: [heads, (x) => heads.forward(x)],
    headsCausal: [heads, (x) => heads.forward(x)],
  };
  return table[name]!;
}

for (const c of readFixture<readonly LayerCase[]>("layers")) {
  test(`${c.name} as in PyTorch`, () => {
    const [layer, forward] = layerOf(c.name);
    const parameters = Object.values(layer.parameters());
    for (const [i, p] of parameters.entries()) p.assign(numbers(i, p.shape, { scale: 0.5 }));
    const inputs = c.inputs.map((shape, i) => numbers(10 + i, shape).requireGrad());
    const y = forward(...(inputs as unknown as [Tensor, Tensor, Tensor]));
    assertNear(y, c.value, "value");
    weighed(y).backward();
    for (const [i, x] of inputs.entries()) assertNear(x.grad!, c.gradients[i]!, `input ${i}`);
    for (const [i, p] of parameters.entries()) assertNear(p.grad!, c.parameters[i]!, `parameter ${i}`);
  });
}

test("names are dotted, states are copied, and what does not fit is named", () => {
  const make = () =>
    new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.Flatten(), new nn.Linear(2, 2));
  const [a, b] = [make(), make()];
  assert.deepEqual(Object.keys(a.parameters()), [
    ...["0.weight", "0.bias", "1.weight", "1.bias"],
    ...["3.weight", "3.bias"],
  ]);
  assert.deepEqual(Object.keys(a.buffers()), ["1.runningMean", "1.runningVar"]);
  b.loadStateDict(a.stateDict());
  assert.deepEqual(b.stateDict()["3.weight"]!.toArray(), a.stateDict()["3.weight"]!.toArray());
  assert.throws(() => b.loadStateDict({ "0.weight": randn([1]) }), /missing 0\.bias, .*unknown none/);
  assert.throws(() => b.loadStateDict({ ...a.stateDict(), "3.bias": randn([5]) }), /3\.bias is f32\[2\]/);
});

test("batch norm measures in training, and uses what it measured afterwards; the same compiled", () => {
  const [eager, compiled] = [new nn.BatchNorm2d(2, { momentum: 0.5 }), new nn.BatchNorm2d(2, { momentum: 0.5 })];
  const x = numbers(0, [2, 3, 3, 2]);
  const y = eager.forward(x);
  const run = jit((state: Record<string, Tensor>, input: Tensor) =>
    nn.functional(compiled, state, () => compiled.forward(input)),
  );
  const { result, buffers } = run(compiled.stateDict(), x);
  assertNear(result, [...y.data()], "compiled");
  assertNear(buffers.runningVar!, [...eager.runningVar.data()], "variance");
  assert.equal(compiled.runningMean.data()[0], 0, "the compiled one returns its buffers");
  const mean = x.mean([0, 1, 2]).data();
  assertNear(eager.runningMean, [0.5 * mean[0]!, 0.5 * mean[1]!], "mean");
  const after = eager.eval().forward(x);
  const scale = 1 / Math.sqrt(eager.runningVar.data()[0]! + 1e-5);
  assert.ok(Math.abs(after.data()[0]! - (x.data()[0]! - eager.runningMean.data()[0]!) * scale) < 1e-5);
});

test("dropout follows its seed, keeps the mean, and does nothing in evaluation", () => {
  const layer = new nn.Dropout(0.25);
  const x = tensor(new Float32Array(4096).fill(1));
  const draw = (): number[] => [...layer.forward(x).data()];
  manualSeed(5);
  const [first, second] = [draw(), draw()];
  manualSeed(5);
  assert.deepEqual(draw(), first);
  assert.notDeepEqual(second, first);
  assert.deepEqual(new Set(first), new Set([0, Math.fround(1 / 0.75)]));
  assert.ok(Math.abs(first.reduce((a, b) => a + b, 0) / 4096 - 1) < 0.05);
  assert.equal(layer.eval().forward(x), x);
  layer.train();
  const compiled = jit((key: Tensor) => withKey(key, () => layer.forward(x)));
  const by = (step: number): number[] => [...compiled(tensor(Int32Array.of(1, step))).data()];
  assert.deepEqual(by(1), by(1));
  assert.notDeepEqual(by(1), by(2));
  assert.throws(() => jit(() => layer.forward(x))(), /a compiled function would draw the same each time/);
});

test("layers begin as PyTorch's do", () => {
  manualSeed(3);
  const { weight, bias } = new nn.Linear(100, 200);
  const data = weight.data();
  assert.ok(data.every((w) => Math.abs(w) <= 0.1) && Math.max(...data) > 0.099 && Math.min(...bias!.data()) < -0.09);
  assert.ok(Math.abs(new nn.Embedding(500, 20).weight.std().item() - 1) < 0.03);
  manualSeed(3);
  assert.deepEqual(new nn.Linear(100, 200).weight.data(), data);
});

test("autocast rounds the operands of products to bf16; parameters stay f32", () => {
  const model = new nn.Linear(8, 4, { bias: false });
  const [x, y] = [numbers(1, [3, 8]), numbers(2, [3, 4])];
  const exact = model.forward(x).data();
  const step = new optim.TrainStep(
    model,
    optim.sgd({ lr: 0.1 }),
    (a: Tensor, b: Tensor) => nn.mseLoss(model.forward(a), b),
    {
      autocast: true,
    },
  );
  const { nodes } = step.graph(x, y);
  assert.ok(nodes.filter(({ op }) => op.kind === "matmul").length >= 2);
  for (const { op, inputs } of nodes)
    if (op.kind === "matmul") assert.ok(inputs.every((i) => nodes[i]!.type.dtype === "bf16"));
  const before = step.step(x, y).item();
  assert.ok(step.step(x, y).item() < before);
  assert.equal(model.weight.dtype, "f32");
  assert.ok(model.forward(x).data()[0] !== exact[0]);
});
