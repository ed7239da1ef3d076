import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import { policyOf } from "../policy.ts";

const ends = async (policy: string): Promise<Record<string, number>> => {
  const nodes = nodeSpecs(1, 1);
  const jobs = [jobSpec("long", { duration: 600 }), jobSpec("short", { submit: 1, duration: 90 })];
  const log = simulateCluster({ jobs, nodes, policy: await policyOf(policy) });
  return Object.fromEntries(clusterMetrics(log, nodes).jobs.map(({ id, end }) => [id, end!]));
};

test("two jobs take turns of a minute on one GPU; the short one does not wait for the long one", async () => {
  // long 0–60, short 60–120, long 120–180, short 180–210, long 210–690.
  assert.deepEqual(await ends("gandiva"), { long: 690, short: 210 });
  assert.deepEqual(await ends("fifo"), { long: 600, short: 690 });
});
