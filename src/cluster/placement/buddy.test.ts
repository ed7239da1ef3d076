import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { settle } from "../buddies.ts";
import buddy from "./buddy.ts";

const on = (node: number, gpus: number) => ({ places: [{ node, gpus }] });

test("the fullest node that has room, so that whole nodes stay whole", () => {
  const busy = [jobView("a", { gpus: 1 }, on(0, 1)), jobView("b", { gpus: 2 }, on(1, 2))];
  const { nodes } = clusterView(busy, nodeSpecs(3, 4));
  const place = (gpus: number) => buddy.create({}).place(jobView("c", { gpus }), gpus, nodes)?.on;
  assert.deepEqual(place(2), [{ node: 1, gpus: 2 }]);
  assert.deepEqual(place(4), [{ node: 2, gpus: 4 }]);
  assert.equal(place(8), undefined);
});

test("whole nodes stand side by side from a multiple of their number on", () => {
  const { nodes } = clusterView([jobView("a", { gpus: 1 }, on(0, 1))], nodeSpecs(4, 4));
  assert.deepEqual(buddy.create({}).place(jobView("c", { gpus: 8 }), 8, nodes)?.on, [
    { node: 2, gpus: 4 },
    { node: 3, gpus: 4 },
  ]);
});

test("jobs move where parts of nodes are left over that no gang fits into", () => {
  const [a, b, gang] = [jobView("a", {}, on(0, 1)), jobView("b", {}, on(1, 1)), jobView("gang", { gpus: 2 })];
  const { nodes } = clusterView([a, b, gang], nodeSpecs(2, 2));
  const wants = [a, b, gang].map((job) => ({ job, gpus: job.gpus }));
  const places = settle(nodes, wants);
  assert.deepEqual(
    ["a", "b", "gang"].map((id) => places.get(id)?.[0]?.node),
    [1, 1, 0],
  );
  assert.deepEqual(settle(nodes, wants.slice(0, 2)).get("b"), b.places);
});
