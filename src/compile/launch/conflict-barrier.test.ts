import assert from "node:assert/strict";
import { test } from "node:test";
import { launchView } from "../../test/launch-view.ts";
import conflictBarrier from "./conflict-barrier.ts";

test("a barrier stands only before a call that follows one since the last barrier", () => {
  // A norm, products for q, k and v, a call that follows the norm alone, and one that follows all products.
  const view = launchView([[], [0], [0], [0], [0], [1, 2, 3]], 2);
  const plan = conflictBarrier.create({}).plan(view);
  assert.deepEqual(
    plan.map((task) => task.barrier),
    [true, false, false, false, true, false],
  );
  assert.ok(plan.every((task) => !task.cut && task.thread === undefined && task.after.length === 0));
});
