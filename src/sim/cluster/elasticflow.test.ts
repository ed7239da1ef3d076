/**
 * ElasticFlow's published simulation (figure 10: 100 jobs on 16 nodes with 8 A100), with the models that `heddle cluster replay`
 * has: its own policy, and what it calls Themis, Gandiva and EDF, end every job at the published second, and so they do on more
 * workloads of its generator (`bench/peers/elasticflow-fixtures.sh`); Tiresias within 2 % in average JCT and makespan, with the
 * same number of deadlines met. The jobs of figure 10 are what the generator makes of seed 1: their submissions and deadlines are
 * those of the result files.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { JobSpec } from "../../cluster/job.ts";
import { type PolicyOptions, policyOf } from "../../cluster/policy.ts";
import { loadTrace } from "../../cluster/trace/load.ts";
import { mean } from "../../core/statistics.ts";
import { nodeSpecs } from "../../test/cluster-view.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { type ClusterMetrics, clusterMetrics } from "./metrics.ts";
import { type ModelGiven, modelFor } from "./model.ts";
import { simulateCluster } from "./simulate.ts";

const tables = "elasticflow/ElasticFlow/scheduler/throughputs_A100";
const results = "elasticflow/plot_figure/logs/figure10";

type Row = Readonly<Record<string, string>>;

function rows(path: string): Row[] {
  const [head = "", ...lines] = readFileSync(path, "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, i) => [names[i]!, value])));
}

const workload = (name: string): string =>
  fileURLToPath(new URL(`../../../fixtures/cluster/elasticflow-${name}.csv`, import.meta.url));

const published = (folder: string): readonly Row[] => rows(`${sharedData(results)}/${folder}/job.csv`);

interface Asked extends Pick<ModelGiven, "roundSeconds" | "restartSeconds"> {
  readonly policy: string;
  readonly options?: PolicyOptions;
  readonly model: string;
}

/** As `heddle cluster replay` does it. */
async function replay(
  name: string,
  { policy: named, options, model, ...given }: Asked,
  nodes = nodeSpecs(16, 8, "a100"),
): Promise<{ readonly jobs: readonly JobSpec[]; readonly found: ClusterMetrics }> {
  const { jobs } = await loadTrace(workload(name), { strict: true });
  const folder = modelFor(model).tables === undefined ? undefined : sharedData(tables)!;
  const policy = await policyOf(named, options);
  const setup = modelFor(model).setup({ jobs, nodes, policy, ...given, ...(folder && { tables: folder }) });
  return { jobs, found: clusterMetrics(simulateCluster(setup), nodes) };
}

const endsOf = ({ jobs }: ClusterMetrics) =>
  Object.fromEntries(jobs.map(({ id, end, ended }) => [id, ended === "finished" ? end : "none"]));
const endsIn = (golden: readonly Row[], column = "end_time") =>
  Object.fromEntries(golden.map((row) => [row.job_id!, row[column] ? Number(row[column]) : "none"]));

test("figure 10: dlas-gpu within 2 %", skipWithout(results), async () => {
  const golden = published("dlas-gpu");
  const { jobs, found } = await replay("100-jobs", { policy: "las-2d", model: "elasticflow-baselines" });
  assert.deepEqual(
    golden.map(({ job_id, submit_time, ddl }) => [job_id, Number(submit_time), Number(ddl)]).sort(),
    jobs.map(({ id, submit, deadline }) => [id, submit, deadline]).sort(),
  );
  const near = (what: string, ours: number, theirs: number): void =>
    assert.ok(Math.abs(ours / theirs - 1) <= 0.02, `${what}: ${ours}, published ${theirs}`);
  near("average JCT", found.averageJct, mean(golden.map(({ JCT }) => Number(JCT)))!);
  near(
    "makespan",
    Math.max(...found.jobs.map(({ end }) => end!)),
    Math.max(...golden.map(({ end_time }) => Number(end_time))),
  );
  assert.equal(found.deadlines.met, golden.filter(({ end_time, ddl }) => Number(end_time) <= Number(ddl)).length);
});

const edf: Asked = { policy: "earliest-deadline+widest", model: "elasticflow-edf" };

test("figure 10: edf ends every job at the published second", skipWithout(results), async () => {
  const { found } = await replay("100-jobs", edf);
  assert.deepEqual(endsOf(found), endsIn(published("edf")));
  assert.equal(Math.round(found.averageJct), 63319);
});

const tiresias: Asked = {
  policy: "tiresias",
  options: { tiresias: { emptied: 2, demote1: 3250, demote2: 7200 } },
  model: "elasticflow-tiresias",
};

// For those results only who is done first ended; since November 2022 all who are done within a slot do. The three are of that.
test("figure 10: dlas-gpu, in slots, ends 97 of 100 jobs at the published second", skipWithout(results), async () => {
  const { found } = await replay("100-jobs", tiresias);
  const ends = endsOf(found);
  const equal = Object.entries(endsIn(published("dlas-gpu"))).filter(([id, end]) => ends[id] === end);
  assert.equal(equal.length, 97);
});

/** As of its results, or of the last change to it. */
const elasticflow = (published: 1 | 2): Asked => ({
  policy: "elasticflow+widest",
  options: { elasticflow: { published, slot: 240 } },
  model: "elasticflow",
});

for (const name of ["100-jobs", "seed-4", "seed-6"]) {
  test(
    `${name}: elasticflow ends every job at the second of its published simulator`,
    skipWithout(tables),
    async () => {
      const golden = name === "100-jobs" ? published("ef-accessctrl") : rows(workload(name));
      assert.deepEqual(endsOf((await replay(name, elasticflow(1))).found), endsIn(golden));
    },
  );
}

const themis: Asked = {
  policy: "themis",
  options: { themis: { program: 1 } },
  // In leases, which cost nothing there.
  ...{ model: "elasticflow", restartSeconds: 0, roundSeconds: 240 },
};

test("figure 10: themis, by a program, ends every job at the published second", skipWithout(results), async () => {
  const { found } = await replay("100-jobs", themis);
  assert.deepEqual(endsOf(found), endsIn(published("themis")));
});

const gandiva: Asked = {
  policy: "cluster/scheduling/gandiva",
  options: { gandiva: { sets: 1 } },
  model: "elasticflow-arrivals",
};

test("figure 10: gandiva, by sets of nodes, ends every job at the published second", skipWithout(results), async () => {
  const { found } = await replay("100-jobs", gandiva);
  assert.deepEqual(endsOf(found), endsIn(published("gandiva")));
  assert.equal(Math.round(found.averageJct), 63853);
});

for (const name of ["seed-4", "seed-6", "seed-7"]) {
  test(`${name}: gandiva, by sets of nodes, ends every job at the second of the published simulator`, async () => {
    const { found } = await replay(name, gandiva);
    assert.deepEqual(endsOf(found), endsIn(rows(workload(name)), "gandiva_end_time"));
  });
}

// Jobs without a deadline; sizes slower than smaller ones, and sizes on which a job cannot run at all.
for (const [name, nodes] of [
  ["1x8", nodeSpecs(1, 8, "a100")],
  ["1x8-mixed", nodeSpecs(1, 8, "a100")],
  ["1x4", nodeSpecs(1, 4, "a100")],
  ["2x2", nodeSpecs(2, 2, "a100")],
] as const) {
  for (const [column, asked] of [
    ["end_time", elasticflow(2)],
    ["gandiva_end_time", gandiva],
    ["themis_end_time", themis],
    ["edf_end_time", edf],
    ["tiresias_end_time", tiresias],
  ] as const) {
    test(`small clusters, ${name}: ${column}, every job at its second`, skipWithout(tables), async () => {
      assert.deepEqual(endsOf((await replay(name, asked, nodes)).found), endsIn(rows(workload(name)), column));
    });
  }
}
