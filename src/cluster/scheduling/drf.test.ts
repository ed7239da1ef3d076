import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { Nodes } from "../nodes.ts";
import { schedulings } from "../scheduling.ts";

test("the paper's example: one tenant's dominant share is memory, the other's CPUs, and both get two thirds", async () => {
  const drf = await schedulings.create("drf");
  const node = { id: "n", type: "cpu", gpus: 0, cpus: 9, memoryBytes: 18 };
  const jobs = [
    ...Array.from({ length: 5 }, (_, i) => jobView(`a${i}`, { tenant: "a", gpus: 0, cpus: 1, memoryBytes: 4 })),
    ...Array.from({ length: 5 }, (_, i) => jobView(`b${i}`, { tenant: "b", gpus: 0, cpus: 3, memoryBytes: 1 })),
  ];
  const { start } = drf.decide(clusterView(jobs, [node], { arrived: jobs }));
  assert.deepEqual(
    start.slice(0, 5).map(({ job }) => job),
    ["a0", "b0", "a1", "b1", "a2"],
  );
});

test("a tenant that holds much waits for one that holds little, though its jobs came first", async () => {
  const drf = await schedulings.create("drf");
  const nodes = nodeSpecs(1, 4);
  const flood = ["a0", "a1", "a2", "a3", "a4"].map((id) => jobView(id, { tenant: "a" }));
  drf.decide(clusterView(flood, nodes, { arrived: flood }));
  const running = flood
    .slice(1, 4)
    .map((job) => Object.assign(job, { places: [{ node: 0, gpus: 1 }], state: "running" }));
  const other = jobView("b0", { tenant: "b" });
  const view = { arrived: [other], ended: [Object.assign(flood[0]!, { state: "finished" })] };
  assert.deepEqual(drf.decide(clusterView([...running, flood[4]!, other], nodes, view)).start, [{ job: "b0" }]);
});

test("a job that sharing has started is no longer in its tenant's line", async () => {
  const drf = await schedulings.create("drf");
  const nodes = nodeSpecs(1, 1);
  const [holder, guest] = [jobView("holder", { tenant: "a" }), jobView("guest", { tenant: "b" })];
  drf.decide(clusterView([holder, guest], nodes, { arrived: [holder, guest] }));
  for (const job of [holder, guest]) Object.assign(job, { places: [{ node: 0, gpus: 1 }], state: "running" });
  const later = jobView("later", { tenant: "a" });
  const view = { arrived: [later], ended: [], nodes: new Nodes(nodes) };
  assert.deepEqual(drf.decide({ ...clusterView([later], nodes), ...view }).start, [{ job: "later" }]);
});
