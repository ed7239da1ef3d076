import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("priority, then time in the queue; what does not fit is passed over", async () => {
  const kubernetes = await schedulings.create("kubernetes");
  const jobs = [
    jobView("old", { submit: 0, gpus: 3 }),
    jobView("back", { submit: 1 }, { waitingSince: 9 }),
    jobView("new", { submit: 5 }),
    jobView("urgent", { submit: 6, gpus: 2, priority: 5 }),
  ];
  const { start } = kubernetes.decide(clusterView(jobs, nodeSpecs(1, 4), { now: 10, arrived: jobs }));
  assert.deepEqual(start, [{ job: "urgent" }, { job: "new" }, { job: "back" }]);
});

test("only a lower priority is evicted, the latest started first", async () => {
  const kubernetes = await schedulings.create("kubernetes");
  const nodes = nodeSpecs(1, 2);
  const [first, second] = [jobView("first"), jobView("second")];
  for (const [now, job] of [first, second].entries()) {
    kubernetes.decide(clusterView([job], nodes, { now, arrived: [job] }));
    Object.assign(job, { places: [{ node: 0, gpus: 1 }], state: "running" });
  }
  const equal = jobView("equal");
  const waits = kubernetes.decide(clusterView([first, second, equal], nodes, { now: 3, arrived: [equal] }));
  assert.deepEqual(waits, { stop: [], start: [] });
  const urgent = jobView("urgent", { priority: 1 });
  const evicts = kubernetes.decide(clusterView([first, second, equal, urgent], nodes, { now: 4, arrived: [urgent] }));
  assert.deepEqual([evicts.stop, evicts.start], [["second"], [{ job: "urgent" }]]);
});
