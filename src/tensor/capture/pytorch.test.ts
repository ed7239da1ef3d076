/** Define by run: values decide, what a gradient needs is guarded, and memory is used again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Control, captures, type Named } from "../capture.ts";
import { running } from "../capture-control.ts";
import { tensor } from "../creation.ts";
import { memory } from "../default-device.ts";
import { tidy } from "../scope.ts";

test("a loop runs as long as values say, and its gradient is that of what ran", async () => {
  const captured = (await captures.create("pytorch")).capture((_: Control, p: Named) => {
    let x = p.x!;
    while (x.item() < 10) x = x.mul(p.x!);
    return x;
  });
  // 2 → 4 → 8 → 16 = x⁴.
  const { loss, gradients } = await captured.run({ x: tensor(2) }, { arrays: {}, counts: {} });
  assert.deepEqual([loss.item(), gradients.x!.item(), captured.records], [16, 32, 3]);
});

test("writing over what a gradient needs is found", () => {
  const x = tensor([1, 2]).requireGrad();
  const y = x.mul(3);
  const loss = y.square().sum();
  y.assign(tensor([0, 0]));
  assert.throws(() => loss.backward(), /written over after it had been used/);
});

test("a step that repeats takes no memory from the device", async () => {
  const captured = (await captures.create("pytorch")).capture((control: Control, p: Named) => {
    const [h] = control.loop(5, [p.x!], (_, [state]) => [state!.matmul(p.w!).tanh()]);
    return h!.mean();
  });
  const parameters = {
    x: tensor([[1, 2]]),
    w: tensor([
      [0.5, 0.1],
      [0.2, 0.3],
    ]),
  };
  const step = (): void => {
    tidy(() => void captured.run(parameters, { arrays: {}, counts: {} }));
  };
  step();
  const { reservedBytes, liveBlocks } = memory();
  for (let i = 0; i < 50; i++) step();
  assert.deepEqual([memory().reservedBytes, memory().liveBlocks], [reservedBytes, liveBlocks]);
});

test("what is not chosen does not run", () => {
  const [taken] = running.choose(
    tensor([1]),
    () => [tensor(5)],
    () => assert.fail("it ran"),
  );
  assert.equal(taken!.item(), 5);
});
