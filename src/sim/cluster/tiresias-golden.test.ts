import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { JobSpec } from "../../cluster/job.ts";
import { createPolicy, namePolicy, policyOf } from "../../cluster/policy.ts";
import { readHistory } from "../../cluster/trace/history.ts";
import { mean } from "../../core/statistics.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { clusterMetrics } from "./metrics.ts";
import { simulateCluster } from "./simulate.ts";

/** By nodes of 4 GPUs and schedule, JCT by job: `bench/peers/tiresias-fixtures.sh`. */
const published: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>> = JSON.parse(
  readFileSync(new URL("../../../fixtures/tiresias-60.json", import.meta.url), "utf8"),
);

const trace = "tiresias/60_job.csv";

const jobs = (): JobSpec[] =>
  readFileSync(sharedData(trace)!, "utf8")
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => {
      const [id, gpus, submit, , model, duration] = line.split(",");
      return jobSpec(id!, { gpus: Number(gpus), submit: Number(submit), duration: Number(duration), model: model! });
    });

const limits = { demote1: 3250, demote2: 7200, startOrder: 1 };
const policies: Readonly<Record<string, readonly [string, Readonly<Record<string, number>>]>> = {
  fifo: ["fifo", {}],
  "dlas-gpu": ["tiresias", limits],
  "dlas-gpu-2": ["tiresias", { ...limits, promote: 2 }],
};

for (const [schedule, [id, options]] of Object.entries(policies)) {
  test(`${schedule} of Tiresias's simulator: every job's time within 2 %`, skipWithout(trace), async () => {
    for (const [nodes, results] of Object.entries(published)) {
      const specs = nodeSpecs(Number(nodes), 4);
      const policy = await policyOf(id, { [id]: options });
      const speed = (): number => 1;
      const log = simulateCluster({ jobs: jobs(), nodes: specs, policy, steady: { speed } });
      const theirs = results[schedule]!;
      const ours = Object.fromEntries(clusterMetrics(log, specs).jobs.map((job) => [job.id, job.jct!]));
      const [a, b] = [mean(Object.values(ours))!, mean(Object.values(theirs))!];
      assert.ok(Math.abs(a / b - 1) < 0.02, `${nodes} nodes: mean ${a} s against ${b} s`);
      const off = Object.keys(theirs).filter((job) => Math.abs(ours[job]! / theirs[job]! - 1) > 0.02);
      assert.deepEqual(
        off.map((job) => [job, ours[job], theirs[job]]),
        [],
        `${nodes} nodes`,
      );
    }
  });
}

const older = "tiresias/yarn-gput1000.csv";

test(
  "2D-Gittins of Tiresias's simulator over its older trace: within 2 % on average, and nearly every job",
  skipWithout(older),
  async () => {
    const history = await readHistory(sharedData(older)!);
    assert.equal(history.length, 1001);
    for (const [nodes, results] of Object.entries(published)) {
      const specs = nodeSpecs(Number(nodes), 4);
      const names = await namePolicy("tiresias", { tiresias: { ...limits, gittins: 2 } });
      const policy = await createPolicy({ ...names, history });
      const log = simulateCluster({ jobs: jobs(), nodes: specs, policy, steady: { speed: () => 1 } });
      const theirs = results["dlas-gpu-gittins"]!;
      const ours = Object.fromEntries(clusterMetrics(log, specs).jobs.map((job) => [job.id, job.jct!]));
      const [a, b] = [mean(Object.values(ours))!, mean(Object.values(theirs))!];
      assert.ok(Math.abs(a / b - 1) < 0.02, `${nodes} nodes: mean ${a} s against ${b} s`);
      const off = Object.keys(theirs).filter((job) => Math.abs(ours[job]! / theirs[job]! - 1) > 0.02);
      assert.ok(off.length <= (nodes === "2" ? 3 : 0), `${nodes} nodes: ${off}`);
    }
  },
);
