import assert from "node:assert/strict";
import { test } from "node:test";
import { schedulings } from "../../cluster/scheduling.ts";
import { clusterWorkload, clusterWorkloads } from "../cluster/workload.ts";
import { rigOf } from "../rig.ts";
import { measureCluster } from "./cluster.ts";

test("a workload is its seed's, and small", () => {
  for (const name of clusterWorkloads) {
    const { jobs, nodes } = clusterWorkload(name, 2);
    assert.deepEqual(clusterWorkload(name, 2).jobs, jobs);
    assert.notDeepEqual(clusterWorkload(name, 3).jobs, jobs);
    assert.ok(jobs.length <= 400 && nodes.length <= 64, name);
  }
  assert.throws(() => clusterWorkload("nope"), /There is no workload "nope"/);
});

test("the rig measures every job of each workload to its end", async () => {
  for (const name of clusterWorkloads) {
    const metrics = await measureCluster("fifo", name);
    assert.equal(metrics.finished, metrics.jobs, name);
    assert.ok(metrics.utilisation! > 0 && metrics.utilisation! <= 1, name);
  }
});

test("nothing of the cluster is claimed of this machine", async () => {
  await assert.rejects(rigOf(schedulings.path).measure("fifo", "machine"), /measured in simulation/);
});
