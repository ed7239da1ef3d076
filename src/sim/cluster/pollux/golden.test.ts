import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { policyOf } from "../../../cluster/policy.ts";
import { mean } from "../../../core/statistics.ts";
import { sharedData, skipWithout } from "../../../test/shared-data.ts";
import { clusterMetrics } from "../metrics.ts";
import { simulateCluster } from "../simulate.ts";
import { type ProfiledSetup, polluxNodes, profiledSetup, readProfiles, readWorkload } from "./simulate.ts";

const here = skipWithout("pollux/traces");

type Completions = Readonly<Record<string, number>>;

function published(result: string, kind = "jobload"): Readonly<Record<string, Completions>> {
  return JSON.parse(readFileSync(`${sharedData("pollux")}/results-${kind}/${result}/summary.json`, "utf8")).jcts;
}

/** Job completion times by name. */
async function replay(
  name: string,
  folder: string,
  workload: string,
  conditions: Pick<ProfiledSetup, "interference" | "roundSeconds"> = {},
  options: Readonly<Record<string, number>> = {},
): Promise<Completions> {
  const jobs = readWorkload(`${sharedData("pollux")}/${folder}/${workload}.csv`);
  const policy = await policyOf(name, name.startsWith("pollux") ? { pollux: options } : {});
  const log = simulateCluster(profiledSetup({ jobs, policy, applications: profiles(), ...conditions }));
  return Object.fromEntries(clusterMetrics(log, polluxNodes).jobs.map(({ id, jct }) => [id, jct!]));
}

const profiles = (() => {
  let read: ReturnType<typeof readProfiles> | undefined;
  return () => (read ??= readProfiles(sharedData("pollux/traces")!));
})();

const folders = { "0.5": "workloads-0.5", "1.0": "workloads", "1.5": "workloads-1.5", "2.0": "workloads-2.0" };
const policies = { optimus: "optimus+narrowest+least-allocated", tiresias: "tiresias+least-allocated" };

for (const [system, policy] of Object.entries(policies)) {
  for (const [load, folder] of Object.entries(folders)) {
    test(`${system} at load ${load}: every job of every published workload completes at its second`, here, async () => {
      for (const [workload, jcts] of Object.entries(published(`${system}-${load}`))) {
        assert.deepEqual(await replay(policy, folder, workload), jcts, workload);
      }
    });
  }
}

test("workload 6: the averages that the published README names", here, async () => {
  assert.equal(mean(Object.values(await replay(policies.tiresias, "workloads", "workload-6"))), 3469.69375);
  assert.equal(mean(Object.values(await replay(policies.optimus, "workloads", "workload-6"))), 5301.875);
});

test(
  "interference and longer rounds: the averages of the published simulator, run with its own options",
  here,
  async () => {
    const under = async (conditions: Pick<ProfiledSetup, "interference" | "roundSeconds">): Promise<number> =>
      mean(Object.values(await replay(policies.tiresias, "workloads-0.5", "workload-6", conditions)))!;
    assert.equal(await under({ interference: 0.5 }), 2106.5375);
    assert.equal(await under({ interference: 0.25, roundSeconds: 240 }), 2217.2125);
  },
);

// Published once for each workload; its authors call 5 % a reasonable difference between two runs, and ours differ by about 1.3 % from
// run to run (seven runs of workload 1). All conditions that were published: `npm run bench -- pollux`.
test("Pollux itself, a random search: means of workloads, and of them all, are within the spread", here, async () => {
  const found: number[] = [];
  for (const workload of ["workload-1", "workload-6"]) {
    const theirs = mean(Object.values(published("pollux-0.5")[workload]!))!;
    const ours = mean(Object.values(await replay("pollux+narrowest+least-allocated", "workloads-0.5", workload)))!;
    assert.ok(Math.abs(ours / theirs - 1) < 0.05, `${workload}: ${ours} s against ${theirs} s`);
    found.push(ours / theirs);
  }
  assert.ok(Math.abs(mean(found)! - 1) < 0.02, `${found}`);
});

// With jobs in each other's way, few long ones are most of a mean, and whether two of them lie on one node for hours is chance: over six
// seeds -15 to +1 % of the published run for workload 1, -4 to +3 % for 2, -1 to +7 % for 3, -3 to +0.4 % for 4, -5 to +3 % for 6 (three).
test(
  "Pollux where jobs that meet on a node run at half speed: the published mean lies among those of our seeds",
  here,
  async () => {
    const theirs = mean(Object.values(published("inter50", "inter")["workload-3"]!))!;
    const under = async (seed: number, interference: number): Promise<number> =>
      mean(
        Object.values(
          await replay(
            "pollux+narrowest+least-allocated",
            "workloads",
            "workload-3",
            { interference },
            { crowd: 1, seed },
          ),
        ),
      )!;
    const [one, other] = [await under(1, 0.5), await under(2, 0.5)];
    assert.ok(
      Math.min(one, other) < theirs && theirs < Math.max(one, other),
      `${one} and ${other} s; published ${theirs} s`,
    );
  },
);
