/** A small cluster and jobs whose batch sizes grow while they train, generated from a seed: what Shockwave plans for. */
import type { JobSpec } from "../../../cluster/job.ts";
import { type Random, stream } from "../../../core/random.ts";
import type { ClusterWorkload } from "../workload.ts";
import { jobTypeOf, stepsPerEpoch } from "./batch-size.ts";
import { leases, shockwaveRules, singleGpuNodes } from "./simulate.ts";
import type { Throughputs } from "./throughputs.ts";

/** Seconds of a step on one GPU: some that every step takes, and some for each example. */
const models: Readonly<Record<string, readonly [step: number, example: number, batches: readonly number[]]>> = {
  "ResNet-18": [0.02, 0.0003, [16, 32, 64]],
  LM: [0.05, 0.0015, [5, 10, 20]],
  Recommendation: [0.03, 0.00001, [512, 1024, 2048]],
};

/** As a table would have it, and the same on every type. */
const throughputs: Throughputs = {
  types: ["v100"],
  alone(_type, job, gpus) {
    const { model, batch } = jobTypeOf(job);
    const times = models[model];
    return times === undefined ? 0 : gpus ** 0.9 / (times[0] + times[1] * batch);
  },
  together: () => [0, 0],
};

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

export function dynamicJobs(seed: number): Pick<ClusterWorkload, "nodes" | "jobs" | "launcher" | "leaseSeconds"> {
  const random = stream(0x5c0c, seed);
  const nodes = singleGpuNodes({ v100: 6 });
  let submit = 0;
  const jobs = Array.from({ length: 18 }, (_, i): JobSpec => {
    submit += Math.round(-Math.log(1 - random()) * 80);
    const name = pick(random, Object.keys(models));
    const model = `${name} (batch size ${pick(random, models[name]![2])})`;
    const gpus = name === "Recommendation" ? 1 : pick(random, [1, 1, 1, 2, 2]);
    const rate = throughputs.alone("v100", model, gpus);
    // Some minutes to an hour and a half, at the batch size that it begins with.
    const epochs = Math.max(15, (rate * 60 * 10 ** (0.8 + 1.2 * random())) / stepsPerEpoch(jobTypeOf(model)));
    const iterations = Math.round(epochs * stepsPerEpoch(jobTypeOf(model)));
    return {
      ...{ id: `job${i}`, submit, gpus, model, iterations, duration: iterations / rate },
      ...{ class: pick(random, ["static", "accordion", "gns", "gns"]), tenant: "a", priority: 0, weight: 1 },
    };
  });
  return { nodes, jobs, ...leases({ nodes, throughputs, ...shockwaveRules }) };
}
