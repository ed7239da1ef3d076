/** What is known of a job before it runs: its epochs, their batch sizes, and how long each takes alone on the reference GPU. */
import type { JobSpec } from "../../../cluster/job.ts";
import type { Seconds } from "../../../time/clock.ts";
import { examplesOf, jobTypeOf, modeOf, nameOf, profiledBatches, stepsPerEpoch } from "./batch-size.ts";
import type { Throughputs } from "./throughputs.ts";

export interface Profile {
  readonly batches: readonly number[];
  /** Seconds alone, by epoch. */
  readonly seconds: readonly Seconds[];
  /** Seconds alone in whole. */
  readonly duration: Seconds;
}

export function profileOf(spec: JobSpec, throughputs: Throughputs, reference: string): Profile {
  const type = jobTypeOf(spec.model ?? "");
  const epochs = Math.ceil((spec.iterations ?? 0) / stepsPerEpoch(type));
  const batches = profiledBatches(type, modeOf(spec.class), spec.gpus, epochs);
  // Thousands of epochs have a few batch sizes.
  const known = new Map<number, Seconds>();
  for (const batch of new Set(batches)) {
    const rate = throughputs.alone(reference, nameOf({ ...type, batch }), spec.gpus);
    known.set(batch, examplesOf(type.model) / batch / rate);
  }
  const seconds = batches.map((batch) => known.get(batch)!);
  return { batches, seconds, duration: seconds.reduce((a, b) => a + b, 0) };
}

/**
 * Finish-time fairness as Shockwave reports it: the JCT over the time alone, times how many jobs of the whole trace there are to a GPU.
 * By job, rounded to five digits as there.
 */
export function staticFairness(jct: Seconds, duration: Seconds, jobs: number, gpus: number): number {
  return Math.round((jct / (duration * Math.max(1, jobs / gpus))) * 1e5) / 1e5;
}
