import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { fit, type Sample } from "./boosted-trees.ts";

const samplesOf = (count: number, seed: number, f: (x: readonly number[]) => number): Sample[] => {
  const random = stream(seed);
  return Array.from({ length: count }, () => {
    const features = Array.from({ length: 4 }, () => random());
    return { features, target: f(features) };
  });
};

test("squares: a step function is learned, and what does not matter is not used", () => {
  const samples = samplesOf(200, 1, ([a]) => (a! > 0.5 ? 3 : -1));
  const model = fit(samples, { objective: "squares", trees: 60, depth: 1, rate: 0.3 });
  for (const [x, expected] of [
    [[0.9, 0, 0, 0], 3],
    [[0.9, 1, 1, 1], 3],
    [[0.1, 0.5, 0, 1], -1],
  ] as const) {
    assert.ok(Math.abs(model(x) - expected) < 0.3, `${model(x)} for ${x}`);
  }
});

test("squares: an interaction needs trees of depth 2", () => {
  const either = ([a, b]: readonly number[]): number => Number(a! > 0.5 !== b! > 0.5);
  const samples = samplesOf(400, 2, either);
  const error = (depth: number): number => {
    const model = fit(samples, { objective: "squares", trees: 40, depth, rate: 0.3 });
    return samplesOf(200, 3, either).reduce((n, s) => n + (model(s.features) - s.target) ** 2, 0) / 200;
  };
  assert.ok(error(1) > 0.2, "one cut a tree cannot see it");
  assert.ok(error(3) < 0.05, `${error(3)}`);
});

/** The share of pairs that a model orders as they are. */
function ordered(samples: readonly Sample[], model: (x: readonly number[]) => number): number {
  let [right, all] = [0, 0];
  for (const a of samples) {
    for (const b of samples) {
      if (a.target <= b.target) continue;
      all++;
      if (model(a.features) > model(b.features)) right++;
    }
  }
  return right / all;
}

test("rank: the order of unseen samples is learned, whatever the scale of the targets", () => {
  const smooth = ([a, b]: readonly number[]): number => Math.exp(6 * (a! - (b! - 0.3) ** 2));
  const unseen = samplesOf(100, 5, smooth);
  const options = { objective: "rank", trees: 40, depth: 3, rate: 0.3 } as const;
  const model = fit(samplesOf(200, 4, smooth), options);
  assert.ok(ordered(unseen, model) > 0.9, `${ordered(unseen, model)}`);
  const scaled = samplesOf(200, 4, smooth).map((s) => ({ ...s, target: s.target * 1e6 }));
  assert.equal(ordered(unseen, fit(scaled, options)), ordered(unseen, model));
});

test("rank: only samples of one group are compared", () => {
  const better = ([a]: readonly number[]): number => a!;
  // The second group is a thousand times slower for another reason; its feature 3 says which it is.
  const groups = samplesOf(200, 6, better).map((s, i) => ({
    features: [...s.features.slice(0, 3), i % 2],
    target: s.target - 1000 * (i % 2),
    group: i % 2,
  }));
  const model = fit(groups, { objective: "rank", trees: 40, depth: 3, rate: 0.3 });
  assert.ok(Math.abs(model([0.5, 0.5, 0.5, 0]) - model([0.5, 0.5, 0.5, 1])) < 2);
  const together = fit(
    groups.map(({ features, target }) => ({ features, target })),
    { objective: "rank", trees: 40, depth: 3, rate: 0.3 },
  );
  assert.ok(Math.abs(together([0.5, 0.5, 0.5, 0]) - together([0.5, 0.5, 0.5, 1])) > 2);
});

test("nothing to learn from gives a constant", () => {
  assert.equal(fit([], { objective: "rank", trees: 3, depth: 2, rate: 0.3 })([1, 2]), 0);
  const same = [1, 2, 3, 4, 5].map((x) => ({ features: [x], target: 7 }));
  assert.equal(fit(same, { objective: "squares", trees: 3, depth: 2, rate: 0.3 })([9]), 7);
});
