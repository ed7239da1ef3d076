/**
 * Muri's published results: the testbed's (`cluster_exp/results`, real runs) within 2 %, and its simulator's (the raw data of figures
 * 9 and 10 in the artifact): to the last digit printed.
 *
 * The figures were made before the artifact split groups that are slower than their jobs in turn (`unpack`), but for Muri-L's on trace3;
 * what the artifact gives today is found too, job by job. Themis's were made in another state yet: on trace3 they say 397058.802 s
 * and end at 8172104.51 s, before job 978 can at the artifact's iteration times, were it alone (8042503 s + 1.015 · 604943 · 0.214 s).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type PolicyOptions, policyOf } from "../../cluster/policy.ts";
import { loadTrace } from "../../cluster/trace/load.ts";
import { mean } from "../../core/statistics.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { ClusterReading } from "./metrics.ts";
import { modelFor } from "./model.ts";
import { muriNodes } from "./muri-testbed.ts";
import { streamCluster } from "./simulate.ts";

interface Figures {
  readonly averageJct: number;
  readonly makespan: number;
}

type Row = Readonly<Record<string, string>>;

function table(path: string): Row[] {
  const [head = "", ...lines] = readFileSync(sharedData(path)!, "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, i) => [names[i]!, value])));
}

/** As `heddle cluster replay` does it. */
async function run(trace: string, model: string, name: string, options: PolicyOptions): Promise<Figures> {
  const reading = new ClusterReading(muriNodes);
  const { jobs } = await loadTrace(sharedData(trace)!, { strict: true });
  const policy = await policyOf(name, options);
  streamCluster(modelFor(model).setup({ jobs, nodes: muriNodes, policy }), reading.add);
  const { jobs: ended, averageJct } = reading.metrics();
  assert.ok(ended.every(({ ended }) => ended === "finished"));
  return { averageJct, makespan: Math.max(...ended.map(({ end }) => end!)) };
}

function near(found: Figures, published: Figures, within: number, what: string): void {
  for (const key of ["averageJct", "makespan"] as const) {
    const off = found[key] / published[key] - 1;
    assert.ok(Math.abs(off) <= within, `${what}: ${key} ${found[key]}, published ${published[key]}: ${100 * off} %`);
  }
}

const testbed = "muri/cluster_exp/results";
const srtf = { srsf: { gpus: 0 } };
const muriS = { srsf: { submitted: 1, keep: 2 } };
/** Groups stay together, even where they are slower than their jobs in turn. */
const together = { muri: { unpack: 0 } };
const plain = { muri: { measured: 0, unpack: 0 } };
const tiresias = { tiresias: { demote1: 3250, demote2: 7200, emptied: 1 } };
const onTestbed: readonly (readonly [folder: string, policy: string, options: PolicyOptions])[] = [
  ["SRTF", "srsf", srtf],
  ["SRSF", "srsf", {}],
  ["tiresias", "tiresias", tiresias],
  ["themis", "themis", { themis: { program: 2 } }],
  ["Muri-S", "srsf+muri", plain],
  ["Muri-L", "las-2d+muri", plain],
];

for (const [folder, policy, options] of onTestbed) {
  test(`testbed: ${folder} within 2 % of the real run`, skipWithout(testbed), async () => {
    const rows = table(`${testbed}/${folder}/job.csv`);
    const published = {
      averageJct: mean(rows.map(({ JCT }) => Number(JCT)))!,
      makespan: Math.max(...rows.map(({ end_time }) => Number(end_time))),
    };
    const found = await run("muri/cluster_exp/trace-data/cluster_trace.csv", "muri-testbed", policy, options);
    near(found, published, 0.02, folder);
  });
}

const traces = "muri/simulator/trace-data";
/** Raw data of figure 9: average JCT and makespan in seconds. */
const simulated: readonly (readonly [
  trace: string,
  policy: string,
  options: PolicyOptions,
  published: Figures,
  within: number,
])[] = [
  ["trace3", "srsf", srtf, { averageJct: 193081.796, makespan: 8174135.28 }, 1e-7],
  ["trace3", "srsf", {}, { averageJct: 185021.8802, makespan: 8174135.28 }, 1e-7],
  ["trace3_pr", "srsf", srtf, { averageJct: 844394.78, makespan: 7261795.828 }, 1e-7],
  ["trace1", "srsf", {}, { averageJct: 980140.5699, makespan: 26065759.044845 }, 1e-7],
  ["trace1", "tiresias", tiresias, { averageJct: 3330371.307, makespan: 23556410.217355 }, 1e-7],
  ["trace3", "tiresias", tiresias, { averageJct: 347213.2481, makespan: 8174226.28 }, 1e-7],
  ["trace3_pr", "tiresias", tiresias, { averageJct: 2213110.128, makespan: 6761641.42 }, 1e-7],
  ["trace4", "tiresias", tiresias, { averageJct: 1319382.936, makespan: 13073838.61827 }, 1e-7],
  ["trace3", "las-2d+muri", { "las-2d": { keep: 1 } }, { averageJct: 88686.97313, makespan: 8174135.28 }, 1e-7],
  ["trace3", "srsf+muri", { ...muriS, ...together }, { averageJct: 85502.55387, makespan: 8174135.28 }, 1e-7],
  ["trace3_pr", "srsf+muri", { ...muriS, ...together }, { averageJct: 537776.6163, makespan: 4400674.99 }, 1e-7],
  [
    "trace3_pr",
    "las-2d+muri",
    { "las-2d": { keep: 1 }, ...together },
    { averageJct: 921094.7449, makespan: 4403652.203 },
    1e-7,
  ],
  // The artifact of today, run again.
  ["trace3", "srsf+muri", muriS, { averageJct: 83242.464513, makespan: 8174135.28003 }, 1e-9],
  ["trace3", "themis", { themis: { program: 3 } }, { averageJct: 411777.344018, makespan: 8174135.28003 }, 1e-9],
];

for (const [trace, policy, options, published, within] of simulated) {
  const name = options === srtf ? "srtf" : policy;
  test(`simulator: ${name} on ${trace}`, skipWithout(traces), async () => {
    const found = await run(`${traces}/${trace}.csv`, "muri", policy, options);
    near(found, published, within, `${name} on ${trace}`);
  });
}
