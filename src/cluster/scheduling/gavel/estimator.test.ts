import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { generatedJobs, jobTypes } from "../../../sim/cluster/gavel/generated-jobs.ts";
import { gavelRules, simulateLeases, singleGpuNodes } from "../../../sim/cluster/gavel/simulate.ts";
import { readThroughputs, type Throughputs } from "../../../sim/cluster/gavel/throughputs.ts";
import { jobView } from "../../../test/cluster-view.ts";
import { sharedData, skipWithout } from "../../../test/shared-data.ts";
import type { Outlook } from "../../job.ts";
import { policyOf } from "../../policy.ts";
import type { Claimant, ShareRequest } from "../../time-shares.ts";
import { measured, PairEstimator } from "./estimator.ts";

const table = "gavel/simulation_throughputs.json";
const types = ["v100", "p100", "k80"];
const read = (): Throughputs => readThroughputs(readFileSync(sharedData(table)!, "utf8"), table);

/** A job of every type of the table on one GPU. */
function everyKind(throughputs: Throughputs): ShareRequest {
  const jobs = jobTypes.map(({ name: model }, i): Claimant => {
    const outlook: Outlook = {
      ...{ done: 0, total: 1 },
      rate: (gpus, _nodes, type) => throughputs.alone(type, model, gpus),
      rateBeside: (other, gpus, type) => throughputs.together(type, model, jobTypes[Number(other)]!.name, gpus)[0],
    };
    const rates = types.map((type) => throughputs.alone(type, model, 1));
    return { view: jobView(`${i}`, { model }, { outlook }), gpus: 1, rates, remaining: 1, age: 0 };
  });
  return { now: 0, types, workers: [1, 1, 1], jobs };
}

/** Mean relative error of the throughputs of pairs that were not measured (of all where all were), and how many those are. */
function errors(profiled: number): readonly [mean: number, pairs: number] {
  const request = everyKind(read());
  const [truth, guess] = [measured(types), new PairEstimator(profiled).beside(request)];
  let [sum, n] = [0, 0];
  for (const job of request.jobs) {
    for (const other of request.jobs) {
      for (const k of types.keys()) {
        const rate = truth(job, other, k);
        if (!(rate > 0)) continue;
        const error = Math.abs(guess(job, other, k) - rate) / rate;
        if (profiled < 1 && error < 1e-9) continue;
        sum += error;
        n++;
      }
    }
  }
  return [sum / n, n];
}

test("slowdowns of Gavel's table, estimated from a part of the pairs", skipWithout(table), () => {
  const [[few, many], [half], [most], [all]] = [errors(0.1), errors(0.3), errors(0.6), errors(1)] as const;
  assert.ok(many > 1500, `${many} pairs`);
  assert.ok(half < 0.25 && most < 0.17, `${half}, ${most}`);
  assert.ok(all < 1e-9, "what is measured is not estimated");
  assert.ok(most < half && half < few, `${few}, ${half}, ${most}`);
});

test(
  "Gavel with pairs and a part of them profiled is near to Gavel that knows them all",
  skipWithout(table),
  async () => {
    const throughputs = read();
    const jobs = generatedJobs({ jobs: 14, hourly: 0, multiple: false, seed: 4 }, throughputs);
    const hours = async (name: string, options: Readonly<Record<string, number>>): Promise<number> => {
      const policy = await policyOf(name, { gavel: { reset: 1920, ...options } });
      const nodes = singleGpuNodes({ v100: 2, p100: 2, k80: 2 });
      const model = { throughputs, ...gavelRules };
      return simulateLeases({ jobs, nodes, policy, ...model }).averageJct / 3600;
    };
    const alone = await hours("gavel", {});
    const known = await hours("gavel+as-decided", { pairs: 1 });
    const estimated = await hours("gavel+as-decided", { pairs: 1, profiled: 0.3 });
    assert.ok(known < alone);
    assert.ok(estimated < 1.1 * known, `${estimated}, ${known}`);
  },
);
