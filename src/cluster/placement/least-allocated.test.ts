import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import { placements } from "../placement.ts";

test("the emptiest node is taken, though another fits exactly", async () => {
  const least = await placements.create("least-allocated");
  const nodes = new Nodes(nodeSpecs(3, 4));
  nodes.take([
    { node: 0, gpus: 2 },
    { node: 1, gpus: 1 },
  ]);
  assert.deepEqual(least.place(jobView("a"), 2, nodes), { on: [{ node: 2, gpus: 2 }] });
  assert.deepEqual(least.place(jobView("a", { types: ["k80"] }), 1, nodes), undefined);
});
