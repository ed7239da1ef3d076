import assert from "node:assert/strict";
import { test } from "node:test";
import { tunerRigs } from "../../sim/rig/tuner.ts";
import { dispatch } from "./dietcode/decision-tree.ts";

const [rig] = tunerRigs;
const dynamic = (id: string, given = {}) => rig!.measure(id, "sim", "dynamic", given);

test("all numbers of tokens together need a fraction of the trials, and end within a few per cent of the best", async () => {
  const dietcode = await dynamic("dietcode");
  const tvm = await dynamic("tvm");
  assert.ok(tvm.trialsToBest! / dietcode.trialsToBest! >= 5, `${tvm.trialsToBest} and ${dietcode.trialsToBest}`);
  assert.ok(dietcode.shareOfBest! >= 0.98, `${dietcode.shareOfBest}`);
});

test("learned from each shape alone it takes longer; with one kernel for all it does not get there", async () => {
  const { trialsToBest } = await dynamic("dietcode");
  assert.ok((await dynamic("dietcode", { shared: 0 })).trialsToBest! / trialsToBest! >= 1.5);
  assert.ok((await dynamic("dietcode", { leaves: 1 })).shareOfBest! < 0.98);
});

test("a tree of few thresholds sends each shape to the kernel that suits its neighbours", () => {
  // Kernel 0 suits the first three shapes, kernel 1 the others; kernel 2 is best for the third alone, by little.
  const cost = [
    [1, 3, 2],
    [1, 3, 2],
    [1, 3, 0.9],
    [3, 1, 2],
    [3, 1, 2],
  ];
  const within = (leaves: number) => dispatch(5, 3, leaves, (shape, kernel) => cost[shape]![kernel]!);
  assert.deepEqual(within(2), [0, 0, 0, 1, 1]);
  assert.deepEqual(within(4), [0, 0, 2, 1, 1]);
  assert.deepEqual(new Set(within(1)).size, 1);
});
