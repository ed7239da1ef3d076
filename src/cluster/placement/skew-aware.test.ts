import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import { placements } from "../placement.ts";

function fragmented(): Nodes {
  const nodes = new Nodes(nodeSpecs(3, 4));
  nodes.take([
    { node: 0, gpus: 2 },
    { node: 1, gpus: 3 },
    { node: 2, gpus: 1 },
  ]);
  return nodes;
}

test("a gang with a skewed model waits for one node, another runs on what there is", async () => {
  const placement = await placements.create("skew-aware");
  const nodes = fragmented();
  const gang = (model: string) => placement.place(jobView("a", { model }), 4, nodes);
  assert.equal(gang("vgg16"), undefined);
  assert.deepEqual(
    gang("resnet50")?.on.reduce((sum, { gpus }) => sum + gpus, 0),
    4,
  );
  // Nobody knows its skew: it runs too.
  assert.notEqual(gang("unheard-of"), undefined);
  nodes.give([{ node: 2, gpus: 1 }]);
  assert.deepEqual(gang("vgg16"), { on: [{ node: 2, gpus: 4 }] });
  // More GPUs than a node has: as few nodes as can be.
  nodes.give([{ node: 0, gpus: 2 }]);
  assert.equal(placement.place(jobView("b", { model: "vgg16" }), 8, nodes)?.on.length, 2);
});

test("the threshold says who waits", async () => {
  const placement = await placements.create("skew-aware", { threshold: 0.8 });
  assert.notEqual(placement.place(jobView("a", { model: "vgg16" }), 4, fragmented()), undefined);
});
