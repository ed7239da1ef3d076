/** grad, jit and vmap, alone and through each other; errors that a user sees; memory that does not grow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNear, numbers } from "../test/tensor-fixtures.ts";
import {
  arange,
  grad,
  jit,
  memory,
  nn,
  noGrad,
  optim,
  randn,
  type Tensor,
  tensor,
  tidy,
  valueAndGrad,
  vmap,
  where,
} from "./index.ts";

const cubes = (x: Tensor): Tensor => x.mul(x).mul(x).sum();

test("grad of grad, and each of them compiled", () => {
  const x = tensor([2, 3]);
  const second = (y: Tensor): Tensor => grad(cubes)(y).sum();
  for (const f of [grad(second), jit(grad(second)), grad(jit(second)), grad((y: Tensor) => grad(jit(cubes))(y).sum())])
    assert.deepEqual(f(x).toArray(), [12, 18]);
  const third = grad((y: Tensor) => grad(second)(y).sum());
  assert.deepEqual(third(x).toArray(), [6, 6]);
  assert.equal(x.requiresGrad, false);
});

test("what is used from outside is constant to grad, and gets gradients from backward", () => {
  const w = tensor([3], { requiresGrad: true });
  const dx = grad((x: Tensor) => x.mul(w).mul(x).sum())(tensor([5]));
  assert.equal(dx.item(), 30);
  dx.sum().backward();
  assert.equal(w.grad!.item(), 10);
  const inner = grad((x: Tensor) => grad((y: Tensor) => x.mul(y).mul(y).sum())(tensor([4])).sum());
  assert.equal(inner(tensor([7])).item(), 8);
});

test("trees: gradients have the structure of the argument; other results come along", () => {
  const f = ({ a, b }: { a: Tensor; b: readonly Tensor[] }, n: number): readonly [Tensor, { twice: Tensor }] => {
    const y = a.mul(b[0]!).sum().mul(n);
    return [y, { twice: y.mul(2) }];
  };
  const tree = { a: tensor([1, 2]), b: [tensor([3, 4])] };
  const [[y, { twice }], gradients] = jit(valueAndGrad(f))(tree, 10);
  assert.deepEqual([y.item(), twice.item()], [110, 220]);
  assert.deepEqual([gradients.a.toArray(), gradients.b[0]!.toArray()], [[30, 40], [[10, 20]].flat()]);
  assert.deepEqual(
    grad((x: Tensor, z: Tensor) => x.mul(z).sum(), { argument: 1 })(tensor([2]), tensor([9])).toArray(),
    [2],
  );
});

test("vmap is a loop; and through grad and jit", () => {
  const [xs, w] = [numbers(0, [3, 2, 4]), numbers(1, [4, 5])];
  const f = (x: Tensor, m: Tensor): Tensor => x.matmul(m).softmax().mul(x.sum()).sum(0);
  const expected = [0, 1, 2].flatMap((i) => [...f(xs.select(0, i), w).data()]);
  assertNear(vmap(f, { axes: [0, null] })(xs, w), expected, "vmap");
  assertNear(jit(vmap(f, { axes: [0, null] }))(xs, w), expected, "jit of vmap");
  assertNear(vmap(jit(f), { axes: [0, null] })(xs, w), expected, "vmap of jit");
  assertNear(vmap(f, { axes: [1, null] })(xs.permute(1, 0, 2), w), expected, "another axis");
  const loss = (x: Tensor): Tensor => f(x, w).square().sum();
  const each = [0, 1, 2].flatMap((i) => [...grad(loss)(xs.select(0, i)).data()]);
  assertNear(vmap(grad(loss))(xs), each, "vmap of grad");
  assertNear(grad((x: Tensor) => vmap(loss)(x).sum())(xs), each, "grad of vmap");
  const pairs = vmap((a: Tensor) => vmap((b: Tensor) => a.mul(b))(tensor([1, 2])))(tensor([3, 4, 5]));
  assert.deepEqual(pairs.toArray(), [
    [3, 6],
    [4, 8],
    [5, 10],
  ]);
  assert.throws(() => vmap(f)(xs, w), /vmap over f32\[3,2,4\],f32\[4,5\]: the extents of the examples' axis are 3, 4/);
});

test("jit traces once for each structure, reads what it captured each time, and donates", async () => {
  let traces = 0;
  const scale = tensor([2]);
  const f = jit((x: Tensor) => {
    traces += 1;
    return x.mul(scale);
  });
  assert.deepEqual([f(tensor([1])).item(), f(tensor([2])).item(), traces], [2, 4, 1]);
  scale.assign(10);
  assert.deepEqual([f(tensor([3])).item(), traces], [30, 1]);
  assert.deepEqual([f(tensor([1, 2])).toArray(), traces], [[10, 20], 2]);
  assert.deepEqual((await f.later(tensor([4]))).toArray(), [40]);
  const inPlace = jit((x: Tensor) => x.add(1), { donate: [0] });
  const x = tensor([1, 2]);
  const lies = x.storage("a test").region.address;
  const y = inPlace(x);
  assert.deepEqual([y.toArray(), y.storage("a test").region.address], [[2, 3], lies]);
  assert.throws(() => x.data(), /was donated to jit/);
});

test("errors name the operation, the shapes and the line of the caller", () => {
  const [a, b] = [randn([2, 3]), randn([4])];
  const here = /At .*transform\.test\.[jt]s:\d+:\d+/;
  const both = (pattern: RegExp) => (error: Error) => pattern.test(error.message) && here.test(error.message);
  assert.throws(() => a.add(b), both(/add over \[2,3\] and \[4\]: the shapes do not broadcast: axis -1 has 3 and 4/));
  assert.throws(
    () => a.matmul(b.reshape(2, 2)),
    both(/matmul over f32\[2,3\] and f32\[2,2\]: the inner extents are 3 and 2/),
  );
  assert.throws(
    () => a.reshape(4, -1),
    both(/reshape over f32\[2,3\]: \[4,-1\] has not the same number of elements, 6/),
  );
  assert.throws(() => a.sum(2), both(/sum over f32\[2,3\]: there is no axis 2/));
  assert.throws(() => nn.conv2d(a, b), both(/conv2d over f32\[2,3\], f32\[4\]/));
  assert.throws(() => nn.crossEntropy(a, b), both(/crossEntropy over f32\[2,3\] and f32\[4\]/));
  assert.throws(() => tensor([[1], [1, 2]]), both(/its parts differ in shape/));
  assert.throws(() => a.backward(), both(/it is not one number/));
  assert.throws(() => a.item(), both(/it has 6 elements/));
  const branch = jit((x: Tensor) => (x.sum().item() > 0 ? x : x.neg()));
  assert.throws(() => branch(a), both(/its elements are not known/));
  const w = tensor([1, 2], { requiresGrad: true });
  const loss = w.square().sum();
  w.assign(3);
  assert.throws(
    () => loss.backward(),
    both(/the gradient of square: its input 0, f32\[2\], was written over .*version 1, not 0/),
  );
  const twice = w.square().sum();
  twice.backward();
  assert.throws(() => twice.backward(), both(/used by an earlier backward pass/));
  const gone = randn([2]);
  gone.dispose();
  assert.throws(() => gone.add(1), both(/the tensor has been disposed of/));
});

test("types are promoted, gradients accumulate, and noGrad records nothing", () => {
  assert.equal(arange(3).add(1).dtype, "i32");
  assert.equal(arange(3).add(0.5).dtype, "f32");
  assert.equal(arange(3).to("bf16").add(arange(3)).dtype, "bf16");
  assert.equal(arange(3).div(2).toString(), "tensor f32[3] [0,0.5,1]");
  assert.deepEqual(tensor([1.00390625, 3]).to("bf16").toArray(), [1, 3]);
  const x = tensor([1, 2], { requiresGrad: true });
  for (let i = 0; i < 2; i++) x.square().sum().backward();
  assert.deepEqual(x.grad!.toArray(), [4, 8]);
  assert.equal(noGrad(() => x.square()).requiresGrad, false);
  assert.equal(x.detach().mul(2).requiresGrad, false);
  const masked = where(x.gt(1.5), x, 0).sum();
  masked.backward(undefined, { retainGraph: true });
  assert.deepEqual(x.grad!.toArray(), [4, 9]);
});

test("ten thousand steps hold no more memory than ten", () => {
  const model = new nn.Linear(3, 2);
  const [x, y] = [randn([4, 3]), tensor(Int32Array.of(0, 1, 0, 1))];
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const compiled = new optim.TrainStep(model, optim.sgd(), (a: Tensor, b: Tensor) =>
    nn.crossEntropy(model.forward(a), b),
  );
  const step = (): void => {
    tidy(() => {
      optimizer.zeroGrad();
      nn.crossEntropy(model.forward(x), y).backward();
      optimizer.step();
    });
    using loss = compiled.step(x, y);
    assert.equal(loss.size, 1);
  };
  for (let i = 0; i < 10; i++) step();
  const before = memory();
  for (let i = 0; i < 10_000; i++) step();
  assert.deepEqual(memory(), before);
});
