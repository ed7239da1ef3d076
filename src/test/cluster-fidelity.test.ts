/** The simulation of a cluster against a real Slurm of 20 nodes: from the same events, the same decisions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fidelityJobs, fourNodes, runForReal } from "../bench/cluster-fidelity.ts";
import { clusterSlots } from "../cluster/policy.ts";
import { combinations, loadCombination } from "../system/combination.ts";
import { aloneOnSlurm, slurmOrSkip } from "./slurm.ts";

/** Every entry with the baselines of the other slots, and every system that is a combination of theirs. */
async function allPolicies(): Promise<string[]> {
  const entries = clusterSlots.flatMap((slot) => slot.ids().map((id) => `${slot.path}/${id}`));
  const systems = await Promise.all(combinations().map(async (id) => [id, await loadCombination(id)] as const));
  const paths = clusterSlots.map(({ path }) => path);
  return [
    ...entries,
    ...systems
      .filter(([, system]) => Object.keys(system!.slots).some((path) => paths.includes(path)))
      .map(([id]) => id),
  ];
}

test(
  "under every policy, the log of a run on Slurm, replayed in virtual time, is the same log",
  slurmOrSkip,
  async (t) => {
    const jobs = fidelityJobs(8, 2).map((job) => ({ ...job, submit: job.submit / 4 }));
    const left = await allPolicies();
    const count = left.length;
    // The first nodes are those that other tests lose and restart.
    const one = async (group: number): Promise<void> => {
      for (let policy = left.shift(); policy !== undefined; policy = left.shift()) {
        const setup = { on: "slurm", policy, jobs, nodes: fourNodes(group), timeScale: 200 };
        const { difference } = await runForReal(setup);
        assert.equal(difference, undefined, policy);
      }
    };
    await aloneOnSlurm(async () => void (await Promise.all([1, 2, 3].map(one))));
    t.diagnostic(`${count} policies`);
  },
);
