import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoaderView } from "../loader.ts";
import { emptyShare, predictStep } from "./tf-data/latency.ts";
import tfData from "./tf-data.ts";

const policy = tfData.create({ fusion: 1, autotune: 1, gain: 0.002 });
const map = (name: string) => ({ kind: "map", map: name }) as const;

test("maps are fused and applied to a batch in one task; what must be kept ends a stage of records", () => {
  assert.deepEqual(policy.stages([map("a"), map("b")]), [{ maps: ["a", "b"], grain: "batch", cached: false }]);
  assert.deepEqual(policy.stages([map("a"), map("b"), { kind: "cache" }, map("c")]), [
    { maps: ["a", "b"], grain: "record", cached: true },
    { maps: ["c"], grain: "batch", cached: false },
  ]);
});

const view = (seconds: number, more: Partial<LoaderView> = {}): LoaderView => ({
  stages: [{ seconds, tasksPerBatch: 1, bytesPerBatch: 1000 }],
  consumerSeconds: 0.01,
  dispatchSeconds: 1e-4,
  cores: 8,
  memoryBytes: 1e6,
  ...more,
});
const [stage] = policy.stages([map("a")]);
const settle = (given: LoaderView) => policy.settings([stage!], given)[0]!;

test("it takes as many workers as the consumer needs, within cores and memory; a cheap stage stays where it is asked for", () => {
  const { parallelism } = settle(view(0.035));
  assert.ok(parallelism >= 4 && parallelism <= 7, `${parallelism}`);
  assert.ok(settle(view(0.012)).parallelism < parallelism);
  assert.equal(settle(view(1)).parallelism, 8);
  assert.equal(settle(view(1, { cores: 2 })).parallelism, 2);
  assert.ok(settle(view(1, { memoryBytes: 3000 })).buffer <= 3);
  assert.equal(settle(view(1e-6)).parallelism, 0);
  const fixed = tfData.create({ fusion: 1, autotune: 0, gain: 0.002 });
  assert.deepEqual(fixed.settings([stage!], view(1)), [{ parallelism: 1, buffer: 1 }]);
});

test("the queue is that of M/M/1/k", () => {
  assert.equal(emptyShare(2, 2, 3), 1 / 4);
  // States 0, 1, 2 in the ratio 1 : 2 : 4.
  assert.ok(Math.abs(emptyShare(1, 2, 2) - 1 / 7) < 1e-12);
  // A consumer that never comes back finds a full buffer; one that is infinitely fast finds it empty always.
  assert.ok(emptyShare(1, 1e9, 4) < 1e-9 && emptyShare(1, 1e-9, 4) > 0.999);
});

test("more workers, and more room, never make a predicted step longer; waiting on the spot is added in full", () => {
  const given = view(0.04);
  let before = Number.POSITIVE_INFINITY;
  for (let parallelism = 1; parallelism <= 8; parallelism++) {
    const seconds = predictStep(given, [{ parallelism, buffer: 8 }]);
    assert.ok(seconds <= before);
    before = seconds;
  }
  assert.equal(predictStep(given, [{ parallelism: 0, buffer: 1 }]), 0.05);
});
