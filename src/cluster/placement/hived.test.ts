import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { measureCluster } from "../../sim/rig/cluster.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import { policyOf } from "../policy.ts";

test("a tenant whose gangs need whole nodes gets them, while another has more small jobs than fit", async () => {
  const [cells, none] = [
    await measureCluster("hived", "promised-nodes", {}, 2),
    await measureCluster("first-fit", "promised-nodes", {}, 2),
  ];
  assert.equal(cells.finished, cells.jobs);
  assert.ok(cells.lightTenantJct! < none.lightTenantJct! / 2, `${cells.lightTenantJct} s, ${none.lightTenantJct} s`);
  // With one virtual cluster for all there is nothing that is promised to anybody: the mechanism is gone.
  const one = await measureCluster("hived", "promised-nodes", { tenants: 1 }, 2);
  assert.ok(one.lightTenantJct! > cells.lightTenantJct! * 1.3, `${one.lightTenantJct} s`);
});

test("a gang that is wider than its tenant's even part uses what is idle, instead of waiting for ever; a job without GPUs needs no cells", async () => {
  const nodes = nodeSpecs(2, 4);
  const jobs = [
    jobSpec("wide", { gpus: 8, duration: 10 }),
    jobSpec("small", { gpus: 4, duration: 10, submit: 1 }),
    jobSpec("without", { gpus: 0, duration: 10, submit: 1 }),
  ];
  const policy = await policyOf("tiresias+hived");
  const { jobs: done } = clusterMetrics(simulateCluster({ jobs, nodes, policy, roundSeconds: 60 }), nodes);
  assert.deepEqual(
    done.map(({ ended }) => ended),
    ["finished", "finished", "finished"],
  );
});
