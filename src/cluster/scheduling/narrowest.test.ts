import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("fewer GPUs go first, of equals the first that came; what no longer fits stops", async () => {
  const narrowest = await schedulings.create("narrowest");
  const wide = jobView("wide", { gpus: 4 }, { places: [{ node: 0, gpus: 4 }] });
  const jobs = [wide, jobView("b", { gpus: 2 }), jobView("c", { gpus: 1 }), jobView("d", { gpus: 1 })];
  const { stop, start } = narrowest.decide(clusterView(jobs, nodeSpecs(1, 4), { arrived: jobs }));
  assert.deepEqual([stop, start], [["wide"], [{ job: "c" }, { job: "d" }, { job: "b" }]]);
});
