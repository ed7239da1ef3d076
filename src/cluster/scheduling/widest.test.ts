import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import widest from "./widest.ts";

test("the widest start first, and what no longer fits stops", () => {
  const a = jobView("a", {}, { gpus: 1, places: [{ node: 0, gpus: 1 }] });
  const [b, c] = [jobView("b", {}, { gpus: 2 }), jobView("c", {}, { gpus: 4 })];
  const { stop, start } = widest.create({}).decide(clusterView([a, b, c], nodeSpecs(1, 6), { sized: true }));
  assert.deepEqual(stop, ["a"]);
  assert.deepEqual(
    start.map(({ job }) => job),
    ["c", "b"],
  );
});
