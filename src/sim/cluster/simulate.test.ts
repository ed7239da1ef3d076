import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { ClusterView } from "../../cluster/decision.ts";
import type { JobSpec } from "../../cluster/job.ts";
import { policyOf } from "../../cluster/policy.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { clusterMetrics } from "./metrics.ts";
import { type ClusterSetup, simulateCluster } from "./simulate.ts";

const job = (id: string, submit: number, gpus: number, duration: number, more: Partial<JobSpec> = {}): JobSpec =>
  jobSpec(id, { submit, gpus, duration, ...more });

async function run(jobs: readonly JobSpec[], more: Partial<ClusterSetup> = {}) {
  const nodes = more.nodes ?? nodeSpecs(1, 4);
  const log = simulateCluster({ jobs, nodes, policy: await policyOf("fifo"), ...more });
  return { log, ...clusterMetrics(log, nodes) };
}

test("first come, first served: times, makespan and utilisation by hand", async () => {
  const { jobs, averageJct, makespan, utilisation } = await run([
    job("a", 0, 2, 100),
    job("b", 10, 4, 50),
    job("c", 20, 1, 10),
  ]);
  assert.deepEqual(
    jobs.map(({ id, start, end, jct }) => [id, start, end, jct]),
    [
      ["a", 0, 100, 100],
      ["b", 100, 150, 140],
      ["c", 150, 160, 140],
    ],
  );
  assert.deepEqual([averageJct, makespan], [380 / 3, 160]);
  assert.equal(utilisation, (200 + 200 + 10) / (4 * 160));
});

test("a policy that decides in rounds ends where no place can be found for who waits, and not before", async () => {
  const nodes = nodeSpecs(1, 4).map((node) => ({ ...node, cpus: 8 }));
  const never = { place: () => undefined };
  const policy = { ...(await policyOf("tiresias")), placement: never };
  const stuck = await run([job("a", 0, 1, 10), job("b", 1e6, 1, 10)], { nodes, policy, roundSeconds: 60 });
  assert.deepEqual(
    stuck.jobs.map(({ ended }) => ended),
    [undefined, undefined],
  );
  // A job without GPUs that runs for long, and a node that comes back late, are worth waiting for.
  const events = [
    { kind: "node-lost", at: 1, node: 0 },
    { kind: "node-back", at: 5e5, node: 0 },
  ] as const;
  const late = await run([job("c", 5, 1, 10, { cpus: 8 }), job("d", 5, 0, 4e5)], { nodes, events, roundSeconds: 60 });
  assert.deepEqual(
    late.jobs.map(({ ended }) => ended),
    ["finished", "finished"],
  );
});

test("finish-time fairness is against a share of the cluster among those that were there", async () => {
  const { jobs } = await run([job("a", 0, 4, 100), job("b", 0, 4, 100)]);
  // a lives 100 s among two, b 100 s among two and 100 s alone.
  assert.deepEqual(
    jobs.map(({ rho }) => rho),
    [100 / 200, 200 / 150],
  );
});

test("launches and restarts take their time, and a lost node's work goes on elsewhere", async () => {
  const { jobs, restarts } = await run([job("a", 0, 4, 100)], {
    nodes: nodeSpecs(2, 4),
    steady: { launchSeconds: 5, restartSeconds: 30, stopSeconds: 2 },
    events: [{ kind: "node-lost", at: 55, node: 0 }],
  });
  // 5 to launch, 50 computed, 2 to leave, 5 and 30 to restart, 50 more.
  assert.deepEqual([jobs[0]!.end, restarts, jobs[0]!.ran], [142, 1, 142]);
});

test("where what a launch takes was measured often, each launch takes one of those", async () => {
  const measured = [5, 7, 20];
  let next = 0;
  const launchSeconds = () => measured[next++]!;
  const jobs = ["a", "b", "c"].map((id) => job(id, 0, 1, 100));
  const found = await run(jobs, { steady: { launchSeconds } });
  assert.deepEqual(
    found.jobs.map(({ end }) => end),
    [105, 107, 120],
  );
});

test("a job that is told to leave goes on until it hears, and the news of its end come later than its end", async () => {
  const policy = {
    ...(await policyOf("fifo")),
    scheduling: {
      decide: ({ now, waitingCount }: ClusterView) => {
        if (now === 50) return { stop: ["a"], start: [{ job: "a" }] };
        return { stop: [], start: waitingCount > 0 ? [{ job: "a" }] : [], ...(now < 50 && { wake: 50 }) };
      },
    },
  };
  const steady = { launchSeconds: 5, stopSeconds: 4, hearSeconds: 1, endSeconds: 3 };
  const { jobs } = await run([job("a", 0, 4, 100)], { policy, steady });
  // 5 to launch, computes until it hears at 51 and has left at 54; 5 to launch, 54 more, and 3 until that is known.
  assert.deepEqual([jobs[0]!.end, jobs[0]!.restarts], [54 + 5 + 54 + 3, 1]);
  const short = await run([job("a", 0, 4, 45.5)], { policy, steady });
  assert.deepEqual([short.jobs[0]!.end, short.jobs[0]!.restarts], [53.5, 0], "done before it heard");
});

test("jobs that share GPUs slow one another down, and their GPUs count once", async () => {
  const policy = await policyOf("fifo");
  const together = {
    ...policy,
    sharing: {
      jobsMax: 2,
      share: (_: unknown, { stop }: { stop: readonly string[] }) => ({
        stop,
        start: stop.length === 0 && shared++ === 0 ? [{ job: "a" }, { job: "b", beside: "a" }] : [],
      }),
    },
  };
  let shared = 0;
  const { jobs, utilisation } = await run([job("a", 0, 4, 50), job("b", 0, 4, 100)], { policy: together });
  // Half the speed until a ends at 100 with b half done, then alone.
  assert.deepEqual(
    jobs.map(({ end }) => end),
    [100, 150],
  );
  assert.equal(utilisation, 1);
});

test("a job without a duration cannot be simulated, and a name is used once", async () => {
  await assert.rejects(run([jobSpec("a")]), /does not say how long job a runs/);
  await assert.rejects(run([job("a", 0, 1, 1), job("a", 1, 1, 1)]), /has two jobs "a"/);
});

const itp = "itp-traces/raw/cluster10.csv";
test("a production trace, first come first served: every job ends", skipWithout(itp), async () => {
  const rows = readFileSync(sharedData(itp)!, "utf8").trim().split("\n").slice(1);
  const jobs = rows.map((row) => {
    const [id, submit, duration, gpus] = row.split(",");
    return job(id!, Number(submit), Number(gpus), Number(duration));
  });
  const { finished } = await run(jobs, { nodes: nodeSpecs(4, 8) });
  assert.equal(finished, jobs.length);
});
