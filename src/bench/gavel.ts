/**
 * Gavel's evaluation: mean JCT against the load by policy, with and without knowledge of the types; the highest load that each
 * sustains; and makespans of a batch. Seconds here are virtual. The paper has 36 V100s, 36 P100s and 36 K80s: JCTs are those of a
 * third of them at a third of the load, so that a run of jobs lasts long enough to see what is not sustained; makespans, of all.
 */
import { readFileSync } from "node:fs";
import type { JobSpec } from "../cluster/job.ts";
import { policyOf } from "../cluster/policy.ts";
import { UserError } from "../core/errors.ts";
import { mean } from "../core/statistics.ts";
import { generatedJobs } from "../sim/cluster/gavel/generated-jobs.ts";
import { gavelRules, type LeaseFigures, simulateLeases, singleGpuNodes } from "../sim/cluster/gavel/simulate.ts";
import { readThroughputs, type Throughputs } from "../sim/cluster/gavel/throughputs.ts";
import { sharedData } from "../test/shared-data.ts";
import type { Bench } from "./terms.ts";

const table = "gavel/simulation_throughputs.json";

interface Sweep {
  readonly name: string;
  readonly objective: number;
  readonly multiple: boolean;
  /** Submissions an hour on 108 GPUs. */
  readonly loads: readonly number[];
}

const sweeps: readonly Sweep[] = [
  { name: "LAS, single GPUs", objective: 0, multiple: false, loads: [3, 4, 5, 6, 7] },
  { name: "LAS, gangs too", objective: 0, multiple: true, loads: [1, 1.5, 2, 2.5, 3] },
  { name: "finish-time fairness, gangs too", objective: 1, multiple: true, loads: [1, 1.5, 2] },
];

/** A load is sustained while the mean JCT is below so many hours: three times the mean duration on a V100. */
const sustained = 50;

export async function run(bench: Bench): Promise<void> {
  const path = sharedData(table);
  if (path === undefined)
    throw new UserError(`The bench "gavel" reads ${table}, which is not here.`, "Fetch the data.");
  const throughputs = readThroughputs(readFileSync(path, "utf8"), path);
  for (const sweep of bench.quick ? sweeps.slice(0, 2) : sweeps) await against(bench, sweep, throughputs);
  await batch(bench, throughputs);
}

async function simulate(
  jobs: readonly JobSpec[],
  each: number,
  throughputs: Throughputs,
  options: Readonly<Record<string, number>>,
): Promise<LeaseFigures> {
  return simulateLeases({
    jobs,
    nodes: singleGpuNodes({ v100: each, p100: each, k80: each }),
    policy: await policyOf("gavel", { gavel: { reset: 1920, ...options } }),
    throughputs,
    ...gavelRules,
  });
}

async function against(bench: Bench, { name, objective, multiple, loads }: Sweep, throughputs: Throughputs) {
  const [each, count] = bench.quick ? [12, 60] : [12, 1500];
  const most = new Map<string, number>();
  for (const load of loads) {
    const hourly = (load * each) / 36;
    const jobs = generatedJobs({ jobs: count, hourly, multiple, seed: 1 }, throughputs);
    const hours: Record<string, number> = {};
    for (const [policy, agnostic] of [
      ["aware", 0],
      ["agnostic", 1],
    ] as const) {
      const { jct } = await simulate(jobs, each, throughputs, { objective, agnostic });
      // Neither while the cluster fills nor while it empties.
      hours[policy] = (mean(jct.slice(count / 3, (2 * count) / 3)) ?? 0) / 3600;
      if (hours[policy] < sustained) most.set(policy, load);
    }
    const ratio = hours.agnostic! / hours.aware!;
    bench.note({
      name: `${name}, ${load} jobs an hour`,
      unit: "h, mean JCT",
      ...hours,
      ratio,
      gpus: 3 * each,
      jobs: count,
    });
  }
  bench.note({ name: `${name}: highest load with a mean JCT below ${sustained} h`, ...Object.fromEntries(most) });
}

/** All at once. */
async function batch(bench: Bench, throughputs: Throughputs): Promise<void> {
  const [each, count] = bench.quick ? [12, 30] : [36, 100];
  const jobs = generatedJobs({ jobs: count, hourly: 0, multiple: true, seed: 1 }, throughputs);
  const hours = async (objective: number, agnostic: number): Promise<number> =>
    (await simulate(jobs, each, throughputs, { objective, agnostic })).makespan / 3600;
  const [aware, agnostic, fifo] = [await hours(2, 0), await hours(2, 1), await hours(6, 1)];
  bench.note({
    ...{ name: `makespan of ${count} jobs`, unit: "h", aware, agnostic, fifo },
    ...{ agnosticRatio: agnostic / aware, fifoRatio: fifo / aware },
  });
}
