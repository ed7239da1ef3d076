import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("an earlier deadline takes the GPUs of the latest; none is later than having none", async () => {
  const edf = await schedulings.create("edf");
  const nodes = nodeSpecs(1, 2);
  const [late, free] = [jobView("late", { deadline: 500 }), jobView("free")];
  const first = edf.decide(clusterView([late, free], nodes, { arrived: [free, late] }));
  assert.deepEqual(first.start, [{ job: "late" }, { job: "free" }]);
  for (const job of [late, free]) Object.assign(job, { places: [{ node: 0, gpus: 1 }], state: "running" });
  const [soon, later] = [jobView("soon", { deadline: 100 }), jobView("later", { deadline: 900 })];
  const second = edf.decide(clusterView([late, free, later, soon], nodes, { arrived: [later, soon] }));
  assert.deepEqual([second.stop, second.start], [["free"], [{ job: "soon" }]]);
});
