import assert from "node:assert/strict";
import { test } from "node:test";
import { jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import type { Placement } from "../placement.ts";
import { placements } from "../placement.ts";

function putter(affinity: Placement, nodes: Nodes): (id: string, gpus: number) => readonly number[] | undefined {
  return (id, gpus) => {
    const on = affinity.place(jobView(id, { gpus }), gpus, nodes)?.on;
    if (on !== undefined) nodes.take(on);
    return on?.map(({ node }) => node);
  };
}

test("gangs of a size share nodes, the least loaded first; others come only where nothing else is left", async () => {
  const affinity = await placements.create("affinity");
  const nodes = new Nodes(nodeSpecs(3, 4));
  const put = putter(affinity, nodes);
  assert.deepEqual(put("one", 1), [0]);
  assert.deepEqual(put("pair", 2), [1]);
  assert.deepEqual(put("one more", 1), [0]);
  assert.deepEqual(put("pair more", 2), [1]);
  assert.deepEqual(put("whole", 4), [2]);
  assert.deepEqual(put("third pair", 2), [0]);
  assert.equal(put("too many", 1), undefined);
});

test("a node that is empty again belongs to nobody; one that is handed on keeps its affinity", async () => {
  const affinity = await placements.create("affinity");
  const nodes = new Nodes(nodeSpecs(2, 4));
  const put = putter(affinity, nodes);
  put("a", 1);
  affinity.handed?.("a", "b");
  affinity.freed?.("a", [{ node: 0, gpus: 1 }]);
  assert.deepEqual(put("pair", 2), [1]);
  nodes.give([{ node: 0, gpus: 1 }]);
  affinity.freed?.("b", [{ node: 0, gpus: 1 }]);
  nodes.take([{ node: 1, gpus: 2 }]);
  assert.deepEqual(put("pair two", 2), [0]);
  affinity.taken?.(jobView("elsewhere"), [{ node: 0, gpus: 1 }], nodes);
  assert.deepEqual(put("wide", 3), undefined);
});
