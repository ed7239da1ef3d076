/**
 * Purity, trapped, and parity: every entry of the cluster's slots decides for a generated trace while clocks, randomness and timers
 * throw; twice the same; and the replay of its log decides alike.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../sim/cluster/metrics.ts";
import { firstDifference, replayCluster } from "../sim/cluster/replay.ts";
import { type ClusterSetup, simulateCluster } from "../sim/cluster/simulate.ts";
import { SteadyLauncher } from "../sim/cluster/steady-launcher.ts";
import { clusterWorkload } from "../sim/cluster/workload.ts";
import { trapped } from "../test/trapped.ts";
import { type ClusterPolicy, clusterSlots, policyOf } from "./policy.ts";

async function purePolicy(name: string): Promise<ClusterPolicy> {
  const { names, scheduling, scaling, sharing, placement } = await policyOf(name);
  return {
    names,
    scheduling: trapped(scheduling),
    scaling: trapped(scaling),
    sharing: trapped(sharing),
    placement: trapped(placement),
  };
}

const { nodes, jobs, ...steady } = clusterWorkload("philly-like", 3);
const few = jobs.slice(0, 80);

for (const { path, ids } of clusterSlots) {
  for (const id of ids()) {
    test(`${path}/${id} decides purely, twice the same, and so does its replay; every job ends`, async () => {
      const setup = async (): Promise<ClusterSetup> => ({
        ...{ nodes, jobs: few, steady, policy: await purePolicy(`${path}/${id}`) },
        events: [
          { kind: "node-lost", at: 2000, node: 2 },
          { kind: "node-back", at: 4000, node: 2 },
          { kind: "cancelled", at: 2500, job: "job7" },
        ],
      });
      const log = simulateCluster(await setup());
      assert.equal(firstDifference(simulateCluster(await setup()), log), undefined);
      const launcher = (clock: ConstructorParameters<typeof SteadyLauncher>[0]) =>
        new SteadyLauncher(clock, nodes, { ...steady, report: () => undefined });
      const policy = await purePolicy(`${path}/${id}`);
      assert.equal(firstDifference(replayCluster(log, { nodes, policy, launcher }), log), undefined);
      const outcomes = clusterMetrics(log, nodes).jobs;
      assert.deepEqual(
        outcomes.filter(({ ended }) => ended === undefined),
        [],
      );
      assert.ok(outcomes.filter(({ ended }) => ended === "finished").length >= 20);
    });
  }
}

test("a replay with another policy differs, and says where", async () => {
  const policy = async (options = {}) => await policyOf("fifo", options);
  const log = simulateCluster({ nodes, jobs: few, steady, policy: await policy() });
  const { scheduling, ...others } = await policy();
  const lazy = { ...others, scheduling: { decide: () => ({ stop: [], start: [] }) } };
  assert.match(firstDifference(replayCluster(log, { nodes, policy: lazy }), log) ?? "", /^line 2: .*decided/);
  assert.ok(scheduling !== undefined);
});
