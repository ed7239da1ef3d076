import assert from "node:assert/strict";
import { test } from "node:test";
import { launchView } from "../../test/launch-view.ts";
import rammer from "./rammer.ts";

const policy = rammer.create({});
const placed = (plan: ReturnType<typeof policy.plan>) =>
  plan.map(({ call, from, to, thread, after }) => ({ call, from, to, thread, after }));

test("a long call is divided over the units, each with a range of its items", () => {
  assert.deepEqual(placed(policy.plan(launchView([[]], 2, 8, 1e-3))), [
    { call: 0, from: 0, to: 0.5, thread: 0, after: [] },
    { call: 0, from: 0.5, to: 1, thread: 1, after: [] },
  ]);
});

test("small calls of a wave are placed side by side, whole", () => {
  const plan = placed(policy.plan(launchView([[], [], [], []], 4, 8, 1e-7)));
  assert.deepEqual(plan.map((t) => t.thread).sort(), [0, 1, 2, 3]);
  assert.ok(plan.every((t) => t.from === 0 && t.to === 1));
});

test("a call is divided so that units which are free earlier take more of it", () => {
  const { calls } = launchView([[], []], 2, 100, 10e-6);
  const plan = placed(policy.plan({ threads: 2, calls: [{ ...calls[0]!, parts: 1, seconds: 12e-6 }, calls[1]!] }));
  const second = plan.filter((t) => t.call === 1);
  const onFree = second.find((t) => t.thread !== plan[0]!.thread)!;
  assert.ok(onFree.to - onFree.from > 0.9, JSON.stringify(plan));
});

test("a chain of small calls stays on one unit and never waits", () => {
  const plan = placed(policy.plan(launchView([[], [0], [1], [2]], 4, 8, 1e-7)));
  assert.equal(new Set(plan.map((t) => t.thread)).size, 1);
  assert.ok(plan.every((t) => t.after.length === 0));
});

test("a unit waits for another only for what it does not yet know to be done", () => {
  // Two divided calls, the second after the first: each half waits for the other unit's half, not for its own.
  const plan = placed(policy.plan(launchView([[], [0]], 2, 8, 1e-3)));
  assert.deepEqual(
    plan.map((t) => t.after),
    [[], [], [1], [0]],
  );
});
