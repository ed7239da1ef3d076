/**
 * Gavel's own evaluation, small: its generator's traces on as many V100s as P100s and K80s, with its table of throughputs.
 *
 * Policies that know the types are compared with a run of the published simulator on the very same trace: it decides alike, up to
 * ties. Those that do not know them meet types by chance, there by another stream of draws, so that their times are only near.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { JobSpec } from "../../../cluster/job.ts";
import { policyOf } from "../../../cluster/policy.ts";
import { loadTrace } from "../../../cluster/trace/load.ts";
import { sharedData, skipWithout } from "../../../test/shared-data.ts";
import { type GeneratedTrace, generatedJobs, jobTypes } from "./generated-jobs.ts";
import { gavelRules, type LeaseFigures, simulateLeases, singleGpuNodes } from "./simulate.ts";
import { readThroughputs, type Throughputs } from "./throughputs.ts";

const table = "gavel/simulation_throughputs.json";
const given = skipWithout(table);
const throughputs = (): Throughputs => readThroughputs(readFileSync(sharedData(table)!, "utf8"), table);

async function run(
  trace: GeneratedTrace,
  each: number,
  options: Readonly<Record<string, number>>,
): Promise<LeaseFigures> {
  return simulateLeases({
    jobs: generatedJobs(trace, throughputs()),
    nodes: singleGpuNodes({ v100: each, p100: each, k80: each }),
    policy: await policyOf("gavel", { gavel: { reset: 1920, ...options } }),
    throughputs: throughputs(),
    ...gavelRules,
  });
}

function near(seconds: number, published: number, within: number): void {
  assert.ok(Math.abs(seconds / published - 1) < within, `${seconds} s, published ${published} s`);
}

/** How much longer the second takes. */
function inside(ratio: number, [low, high]: readonly [number, number]): void {
  assert.ok(ratio > low && ratio < high, `${ratio}`);
}

const las: GeneratedTrace = { jobs: 60, hourly: 1, multiple: false, seed: 1 };
const gangs: GeneratedTrace = { jobs: 36, hourly: 0.8, multiple: true, seed: 2 };
const batch: GeneratedTrace = { jobs: 30, hourly: 0, multiple: true, seed: 3 };

test("these traces can be replayed by command: they lie beside other fixtures, in Gavel's format", given, async () => {
  for (const [name, trace] of Object.entries({ "las-60": las, "gangs-36": gangs, "batch-30": batch })) {
    const file = new URL(`../../../../fixtures/cluster/gavel-${name}.trace`, import.meta.url);
    const { jobs } = await loadTrace(fileURLToPath(file), { strict: true });
    const plain = ({ id, submit, gpus, model, iterations }: JobSpec) => ({ id, submit, gpus, model, iterations });
    assert.deepEqual(jobs.map(plain), generatedJobs(trace, throughputs()).map(plain));
  }
});

test("the generator draws as the paper says", given, () => {
  const jobs = generatedJobs({ jobs: 4000, hourly: 2, multiple: true, seed: 5 }, throughputs());
  const part = (gpus: number): number => jobs.filter((job) => job.gpus === gpus).length / jobs.length;
  for (const [gpus, wanted] of [
    [1, 0.7],
    [2, 0.1],
    [4, 0.15],
    [8, 0.05],
  ] as const)
    near(part(gpus), wanted, 0.15);
  near(jobs.at(-1)!.submit, (4000 * 3600) / 2, 0.05);
  assert.equal(jobTypes.length, 26);
  assert.equal(new Set(jobs.map(({ model }) => model)).size, 26);
  const long = jobs.filter(({ duration }) => duration! >= 60_000).length;
  near(long / jobs.length, 0.2, 0.1);
  for (const { model, gpus, iterations, duration } of jobs.slice(0, 100)) {
    near(iterations! / throughputs().alone("v100", model!, gpus), duration!, 0.01);
  }
});

test(
  "LAS, single GPUs: as the published simulator, and 1.2 to 3.5 times better than without types",
  given,
  async () => {
    const aware = await run(las, 6, {});
    near(aware.averageJct, 54_287.993, 0.002);
    near(aware.makespan, 513_971.412, 0.002);
    const blind = await run(las, 6, { agnostic: 1 });
    near(blind.averageJct, 81_043.02, 0.05);
    inside(blind.averageJct / aware.averageJct, [1.2, 3.5]);
  },
);

test("LAS and finish-time fairness, gangs too: the same", given, async () => {
  const aware = await run(gangs, 9, {});
  near(aware.averageJct, 129_722.341, 0.002);
  near(aware.makespan, 1_027_036.681, 0.002);
  const blind = await run(gangs, 9, { agnostic: 1 });
  near(blind.averageJct, 159_782.515, 0.05);
  inside(blind.averageJct / aware.averageJct, [1.15, 3.5]);
  const fair = await run(gangs, 9, { objective: 1 });
  near(fair.averageJct, 125_240.052, 0.01);
  near(fair.makespan, 984_178.023, 0.01);
});

test(
  "a batch of jobs: shortest makespan and FIFO to the second, and both better with types than FIFO without",
  given,
  async () => {
    const shortest = await run(batch, 9, { objective: 2 });
    near(shortest.makespan, 446_304.816, 1e-3);
    near(shortest.averageJct, 76_118.3, 1e-3);
    const inOrder = await run(batch, 9, { objective: 6 });
    near(inOrder.makespan, 269_511.539, 1e-4);
    near(inOrder.averageJct, 62_716.352, 1e-3);
    const blind = await run(batch, 9, { objective: 6, agnostic: 1 });
    inside(blind.makespan / shortest.makespan, [1.2, 2.5]);
    inside(blind.averageJct / inOrder.averageJct, [1.4, 3.5]);
  },
);
