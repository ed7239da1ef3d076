/**
 * Traces as Gavel's generator draws them (OSDI 2020, §7.1): Poisson arrivals; minutes to days on a V100, log-uniform; one of the
 * models of the table, of which those that train on several GPUs may be gangs; steps as many as a V100 makes in that time.
 */
import type { JobSpec } from "../../../cluster/job.ts";
import { stream } from "../../../core/random.ts";
import type { Seconds } from "../../../time/clock.ts";
import type { Throughputs } from "./throughputs.ts";

export interface GeneratedTrace {
  readonly jobs: number;
  /** Submissions an hour; all at once where it is 0. */
  readonly hourly: number;
  /** Gangs of 2, 4 and 8 GPUs too ("continuous-multiple"), and not only single GPUs. */
  readonly multiple: boolean;
  /** A fifth of the jobs have weight 5. */
  readonly weights?: boolean;
  readonly seed: number;
}

/** Batch sizes by model; an empty list for a model that has none. The first four can be gangs. */
const templates: readonly (readonly [model: string, batches: readonly number[], gangs: boolean])[] = [
  ["ResNet-18", [16, 32, 64, 128, 256], true],
  ["ResNet-50", [16, 32, 64, 128], true],
  ["Transformer", [16, 32, 64, 128, 256], true],
  ["LM", [5, 10, 20, 40, 80], true],
  ["Recommendation", [512, 1024, 2048, 4096, 8192], false],
  ["A3C", [], false],
  ["CycleGAN", [], false],
];

/** The 26 types of job, by the name of their line in the table. */
export const jobTypes: readonly { readonly name: string; readonly gangs: boolean }[] = templates.flatMap(
  ([model, batches, gangs]) =>
    batches.length === 0
      ? [{ name: model, gangs }]
      : batches.map((b) => ({ name: `${model} (batch size ${b})`, gangs })),
);

const gangOf = (x: number): number => (x < 0.7 ? 1 : x < 0.8 ? 2 : x < 0.95 ? 4 : 8);

/** `reference` is the type that durations are of. */
export function generatedJobs(trace: GeneratedTrace, throughputs: Throughputs, reference = "v100"): JobSpec[] {
  const random = stream(0x6a7e, trace.seed);
  let submit: Seconds = 0;
  return Array.from({ length: trace.jobs }, (_, i): JobSpec => {
    const gpus = trace.multiple ? gangOf(random()) : 1;
    const minutes = 10 ** (random() < 0.2 ? 3 + random() : 1.5 + 1.5 * random());
    const types = gpus === 1 ? jobTypes : jobTypes.filter(({ gangs }) => gangs);
    const { name: model } = types[Math.floor(random() * types.length)]!;
    const weight = trace.weights && random() < 0.2 ? 5 : 1;
    const job: JobSpec = {
      ...{ id: `${i}`, submit, gpus, model, weight, duration: 60 * minutes, tenant: "a", priority: 0 },
      iterations: Math.round(60 * minutes * throughputs.alone(reference, model, gpus)),
    };
    if (trace.hourly > 0) submit += (-Math.log(1 - random()) * 3600) / trace.hourly;
    return job;
  });
}
