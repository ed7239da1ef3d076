import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import { placements } from "../placement.ts";

const held = (nodes: Nodes, ...gpus: number[]): Nodes => {
  nodes.take(gpus.map((n, node) => ({ node, gpus: n })));
  return nodes;
};

test("the first node with room, though a later one fits exactly", async () => {
  const firstFit = await placements.create("first-fit");
  const nodes = held(new Nodes(nodeSpecs(3, 4)), 4, 1, 2);
  assert.deepEqual(firstFit.place(jobView("a"), 2, nodes), { on: [{ node: 1, gpus: 2 }] });
});

test("a gang that no node holds takes what is free in the order of nodes, or nothing", async () => {
  const firstFit = await placements.create("first-fit");
  const nodes = held(new Nodes(nodeSpecs(3, 4)), 3, 2, 1);
  assert.deepEqual(firstFit.place(jobView("a"), 4, nodes), {
    on: [
      { node: 0, gpus: 1 },
      { node: 1, gpus: 2 },
      { node: 2, gpus: 1 },
    ],
  });
  assert.equal(firstFit.place(jobView("a"), 7, nodes), undefined);
});

test("types, CPUs and memory that the job needs are looked at", async () => {
  const firstFit = await placements.create("first-fit");
  const nodes = new Nodes([
    { id: "a", type: "k80", gpus: 4, cpus: 8 },
    { id: "b", type: "v100", gpus: 4, cpus: 2 },
    { id: "c", type: "v100", gpus: 4, cpus: 8 },
  ]);
  assert.deepEqual(firstFit.place(jobView("x", { types: ["v100"] }), 1, nodes), { on: [{ node: 1, gpus: 1 }] });
  assert.deepEqual(firstFit.place(jobView("x", { cpus: 4, types: ["v100"] }), 1, nodes), {
    on: [{ node: 2, gpus: 1 }],
  });
  assert.deepEqual(firstFit.place(jobView("x"), 1, nodes, "v100"), { on: [{ node: 1, gpus: 1 }] });
});
