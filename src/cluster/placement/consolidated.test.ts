import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import { placements } from "../placement.ts";

test("the hole that fits exactly is filled, and a gang takes the fewest nodes", async () => {
  const consolidated = await placements.create("consolidated");
  const nodes = new Nodes(nodeSpecs(4, 4));
  nodes.take([
    { node: 0, gpus: 1 },
    { node: 1, gpus: 3 },
    { node: 2, gpus: 2 },
  ]);
  assert.deepEqual(consolidated.place(jobView("a"), 1, nodes), { on: [{ node: 1, gpus: 1 }] });
  assert.deepEqual(consolidated.place(jobView("a"), 6, nodes), {
    on: [
      { node: 3, gpus: 4 },
      { node: 0, gpus: 2 },
    ],
  });
  assert.equal(consolidated.place(jobView("a"), 11, nodes), undefined);
});
