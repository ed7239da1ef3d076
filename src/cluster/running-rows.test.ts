import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView } from "../test/cluster-view.ts";
import { RunningRows } from "./running-rows.ts";

test("who goes on keeps its row; who left and started again has another, behind them", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => jobView(id)) as [never, never, never, never];
  let made = 0;
  const rows = new RunningRows((job) => ({ job, number: made++ }));
  const numbers = (running: readonly never[]): readonly number[] => rows.of(running).map(({ number }) => number);
  assert.deepEqual(numbers([a, b, c]), [0, 1, 2]);
  assert.deepEqual(numbers([a, c, d, b]), [0, 2, 3, 4]);
  assert.deepEqual(numbers([]), []);
  assert.deepEqual(numbers([c, a]), [5, 6]);
  assert.deepEqual(numbers([a]), [6]);
});
