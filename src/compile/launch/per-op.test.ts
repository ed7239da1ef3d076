import assert from "node:assert/strict";
import { test } from "node:test";
import { launchView } from "../../test/launch-view.ts";
import perOp from "./per-op.ts";

test("each call is a native call of its own, all threads share it, and it has an event for each that it follows", () => {
  const plan = perOp.create({}).plan(launchView([[], [0], [0, 1]], 2));
  assert.deepEqual(
    plan.map(({ call, cut, thread, after }) => ({ call, cut, thread, after })),
    [
      { call: 0, cut: true, thread: undefined, after: [] },
      { call: 1, cut: true, thread: undefined, after: [0] },
      { call: 2, cut: true, thread: undefined, after: [0, 1] },
    ],
  );
});
