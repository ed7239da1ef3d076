/** Tracing: one program for a function, kept by the types of its arguments; fused, and without values to decide by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Control, captures, type Input, type Named } from "../capture.ts";
import { tensor } from "../creation.ts";

test("the function itself runs once for each signature", async () => {
  let calls = 0;
  const captured = (await captures.create("jax")).capture((_: Control, p: Named, batch: Input) => {
    calls++;
    return p.w!.mul(batch.arrays.x!).sum();
  });
  const run = (values: number[]) => captured.run({ w: tensor(values) }, { arrays: { x: tensor(values) }, counts: {} });
  assert.equal((await run([1, 2])).loss.item(), 5);
  assert.equal((await run([3, 4])).loss.item(), 25);
  assert.equal(calls, 1);
  await run([1, 2, 3]);
  assert.equal(calls, 2);
});

test("a choice by a value is in the program; reading the value while tracing is refused", async () => {
  const jax = await captures.create("jax");
  const chosen = jax.capture((control: Control, p: Named) => {
    const [y] = control.choose(
      p.x!.gt(0).to("f32"),
      () => [p.x!.mul(2)],
      () => [p.x!.mul(-3)],
    );
    return y!.sum();
  });
  for (const [x, slope] of [
    [5, 2],
    [-5, -3],
  ]) {
    const { loss, gradients } = await chosen.run({ x: tensor([x!]) }, { arrays: {}, counts: {} });
    assert.deepEqual([loss.item(), gradients.x!.toArray()], [x! * slope!, [slope]]);
  }
  const reading = jax.capture((_: Control, p: Named) => (p.x!.item() > 0 ? p.x! : p.x!.neg()));
  await assert.rejects(async () => reading.run({ x: tensor(1) }, { arrays: {}, counts: {} }), /being traced/);
});
