/**
 * ElasticFlow's published simulation (figure 10: 100 jobs on 16 nodes with 8 A100): its own policy, and what it calls Themis, end every
 * job at the published second, and its own also on two more workloads of its generator (`bench/peers/elasticflow-fixtures.sh`);
 * baselines within 2 % in average JCT and makespan, with the same number of deadlines met. The jobs of figure 10 are what the
 * generator makes of seed 1: their submissions and deadlines are those of the result files.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { JobSpec } from "../../cluster/job.ts";
import { policyOf } from "../../cluster/policy.ts";
import { mean } from "../../core/statistics.ts";
import { nodeSpecs } from "../../test/cluster-view.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import {
  elasticJob,
  elasticModel,
  elasticSlotSeconds,
  readThroughputs,
  rescaleSeconds,
  rigidModel,
  type Throughputs,
} from "./elastic-tables.ts";
import { clusterMetrics } from "./metrics.ts";
import { simulateCluster } from "./simulate.ts";

const tables = "elasticflow/ElasticFlow/scheduler/throughputs_A100";
const nodes = nodeSpecs(16, 8, "a100");
const results = "elasticflow/plot_figure/logs/figure10";

type Row = Readonly<Record<string, string>>;

function rows(path: string): Row[] {
  const [head = "", ...lines] = readFileSync(path, "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, i) => [names[i]!, value])));
}

const workload = (name: string): readonly Row[] =>
  rows(fileURLToPath(new URL(`../../../fixtures/cluster/elasticflow-${name}.csv`, import.meta.url)));

const jobsOf = (rates: Throughputs, jobs: readonly Row[]): JobSpec[] =>
  jobs.map((row) =>
    elasticJob(rates, {
      ...{ id: row.job_id!, submit: Number(row.submit_time), gpus: Number(row.num_gpu), model: row.model_name! },
      ...{ batch: Number(row.batch_size), iterations: Number(row.iteration), duration: Number(row.duration) },
      ...{ deadline: Number(row.ddl), tenant: "default", priority: 0, weight: 1 },
    }),
  );

const free = (rates: Throughputs) => rigidModel(rates, () => 0);
const once = (rates: Throughputs) => rigidModel(rates, rescaleSeconds);

for (const [folder, policy, setup] of [
  ["edf", "earliest-deadline+widest", free],
  ["dlas-gpu", "las-2d", once],
] as const) {
  const within = 0.02;
  test(`figure 10: ${folder} within ${100 * within} %`, skipWithout(results), async () => {
    const rates = readThroughputs(sharedData(tables)!);
    const jobs = jobsOf(rates, workload("100-jobs"));
    const golden = rows(`${sharedData(results)}/${folder}/job.csv`);
    assert.deepEqual(
      golden.map(({ job_id, submit_time, ddl }) => [job_id, Number(submit_time), Number(ddl)]).sort(),
      jobs.map(({ id, submit, deadline }) => [id, submit, deadline]).sort(),
    );
    const log = simulateCluster({ jobs, nodes, policy: await policyOf(policy), launcher: setup(rates) });
    const found = clusterMetrics(log, nodes);
    const near = (what: string, ours: number, published: number): void =>
      assert.ok(Math.abs(ours / published - 1) <= within, `${what}: ${ours}, published ${published}`);
    near("average JCT", found.averageJct, mean(golden.map(({ JCT }) => Number(JCT)))!);
    near(
      "makespan",
      Math.max(...found.jobs.map(({ end }) => end!)),
      Math.max(...golden.map(({ end_time }) => Number(end_time))),
    );
    assert.equal(found.deadlines.met, golden.filter(({ end_time, ddl }) => Number(end_time) <= Number(ddl)).length);
  });
}

for (const name of ["100-jobs", "seed-4", "seed-6"]) {
  test(
    `${name}: elasticflow ends every job at the second of its published simulator`,
    skipWithout(tables),
    async () => {
      const rates = readThroughputs(sharedData(tables)!);
      const asked = workload(name);
      const golden = name === "100-jobs" ? rows(`${sharedData(results)}/ef-accessctrl/job.csv`) : asked;
      const policy = await policyOf("elasticflow+widest", { elasticflow: { published: 1, slot: elasticSlotSeconds } });
      const jobs = jobsOf(rates, asked);
      const launcher = elasticModel(rates, { nodes, policy });
      const log = simulateCluster({ jobs, nodes, policy, launcher, gapSeconds: elasticSlotSeconds });
      const ends = clusterMetrics(log, nodes).jobs.map(({ id, end, ended }) => [
        id,
        ended === "finished" ? end : "none",
      ]);
      const theirs = golden.map(({ job_id, end_time }) => [job_id, end_time ? Number(end_time) : "none"] as const);
      assert.deepEqual(Object.fromEntries(ends), Object.fromEntries(theirs));
    },
  );
}

test("figure 10: themis, by a program, ends every job at the published second", skipWithout(results), async () => {
  const rates = readThroughputs(sharedData(tables)!);
  const jobs = jobsOf(rates, workload("100-jobs"));
  const policy = await policyOf("themis", { themis: { program: 1 } });
  // In leases, which cost nothing there.
  const launcher = elasticModel(rates, { nodes, policy, restartSeconds: 0 });
  const log = simulateCluster({ jobs, nodes, policy, launcher, roundSeconds: elasticSlotSeconds });
  const golden = rows(`${sharedData(results)}/themis/job.csv`);
  assert.deepEqual(
    Object.fromEntries(clusterMetrics(log, nodes).jobs.map(({ id, end }) => [id, end])),
    Object.fromEntries(golden.map(({ job_id, end_time }) => [job_id, Number(end_time)])),
  );
});
