/** Source to source: gradients through the model's own loops and branches, in source that can be read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { type Control, captures, type Input, type Model, type Named } from "../capture.ts";
import { tensor } from "../creation.ts";
import { gradientSource } from "./tangent.ts";

/** Squashed as often as the count says, by another weight where it is even. */
const model: Model = (_control: Control, p: Named, batch: Input) => {
  const times = batch.counts.times as number;
  let h = batch.arrays.x!;
  for (let i = 0; i < times; i++) {
    if (i % 2 === 0) {
      h = h.mul(p.even!).tanh();
    } else {
      h = h.mul(p.odd!).add(h.square());
    }
  }
  return h.sum();
};

function plain(x: readonly number[], even: number, odd: number, times: number): number {
  let h = x;
  for (let i = 0; i < times; i++) h = h.map((v) => (i % 2 === 0 ? Math.tanh(v * even) : v * odd + v * v));
  return h.reduce((sum, v) => sum + v, 0);
}

test("loops and branches are run backwards: gradients are those of finite differences", async () => {
  const captured = (await captures.create("tangent")).capture(model);
  const x = [0.3, -0.4];
  for (const times of [0, 1, 4, 5]) {
    const parameters = { even: tensor([0.8]), odd: tensor([1.1]) };
    const { loss, gradients } = await captured.run(parameters, { arrays: { x: tensor(x) }, counts: { times } });
    assert.ok(Math.abs(loss.item() - plain(x, 0.8, 1.1, times)) < 1e-6);
    const step = 1e-6;
    const slopes = {
      even: (plain(x, 0.8 + step, 1.1, times) - plain(x, 0.8 - step, 1.1, times)) / (2 * step),
      odd: (plain(x, 0.8, 1.1 + step, times) - plain(x, 0.8, 1.1 - step, times)) / (2 * step),
    };
    for (const [name, slope] of Object.entries(slopes)) {
      const found = gradients[name]!.item();
      assert.ok(
        Math.abs(found - slope) < 1e-5 * Math.max(1, Math.abs(slope)),
        `${name}, ${times}: ${found}, not ${slope}`,
      );
    }
  }
});

test("the gradient is source: a loop that counts down, a branch that remembers, adjoints by template", () => {
  const { text } = gradientSource(model);
  assert.match(text, /for \(i = tape\.pop\(\) - 1; i >= 0; i--\)/);
  assert.match(text, /if \(tape\.pop\(\)\) \{/);
  assert.match(text, /\.square\(\)\.neg\(\)\.add\(1\)/);
});

test("nothing is recorded where nothing is overwritten", async () => {
  const captured = (await captures.create("tangent")).capture((_c: Control, p: Named) => {
    const y = p.x!.exp();
    return y.mul(p.x!).sum();
  });
  const { gradients } = await captured.run({ x: tensor([1]) }, { arrays: {}, counts: {} });
  assert.ok(Math.abs(gradients.x!.item() - 2 * Math.E) < 1e-5);
  assert.equal(captured.records, 0);
});

test("what has no gradient is refused with its place", () => {
  const refused = (f: unknown, message: RegExp): void =>
    assert.throws(
      () => gradientSource(f as Model),
      (e) => e instanceof UserError && message.test(e.message),
    );
  refused((p: Named) => p.x, /it must take \(control, parameters, batch\)/);
  refused((_c: Control, p: Named, _b: Input) => {
    let x = p.x!;
    while (x.item() < 1) x = x.mul(2);
    return x;
  }, /line 3: .*WhileStatement has no gradient/s);
});
