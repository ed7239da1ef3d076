/** What a report says of a policy, over all jobs or those that a reader chose. */
import type { Report, ReportPolicy } from "./columns.ts";

/** 1 for each job that counts. */
export type Mask = Uint8Array;

export interface Summary {
  readonly jobs: number;
  readonly finished: number;
  /** Seconds; NaN where no job has finished. */
  readonly averageJct: number;
  readonly medianJct: number;
  readonly p99Jct: number;
  /** From the first submission to the last end. */
  readonly makespan: number;
  /** Seconds between a submission and the first start, on average. */
  readonly averageWait: number;
  /** Share of the cluster's GPU-seconds, until the last end, in which jobs held them. */
  readonly utilisation: number;
  readonly worstRho: number;
  readonly averageRho: number;
  /** Share of the jobs whose ρ is above 1.05. */
  readonly unfair: number;
  readonly restarts: number;
}

export function summarise(report: Report, policy: ReportPolicy, mask: Mask): Summary {
  const { submit } = report.jobs;
  const jcts = sortedValues(mask, (i) => policy.end[i]! - submit[i]!);
  const rhos = sortedValues(mask, (i) => policy.rho[i]!);
  const waits = sortedValues(mask, (i) => policy.start[i]! - submit[i]!);
  const [from, to] = span(report, policy, mask);
  let [jobs, restarts, held] = [0, 0, 0];
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    jobs++;
    restarts += policy.restarts[i]!;
    held += policy.held[i]!;
  }
  const gpus = report.nodeGpus.reduce((a, b) => a + b, 0);
  return {
    jobs,
    finished: jcts.length,
    averageJct: meanOf(jcts),
    medianJct: quantileOf(jcts, 0.5),
    p99Jct: quantileOf(jcts, 0.99),
    makespan: to - from,
    averageWait: meanOf(waits),
    utilisation: held / (gpus * (to - from)),
    worstRho: rhos.length === 0 ? Number.NaN : rhos[rhos.length - 1]!,
    averageRho: meanOf(rhos),
    unfair: rhos.length === 0 ? Number.NaN : rhos.filter((rho) => rho > 1.05).length / rhos.length,
    restarts,
  };
}

/** Values of the jobs that count and have one, ascending. */
export function sortedValues(mask: Mask, value: (job: number) => number): Float64Array {
  const values = new Float64Array(mask.length);
  let count = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const x = value(i);
    if (!Number.isNaN(x)) values[count++] = x;
  }
  return values.subarray(0, count).sort();
}

const meanOf = (values: Float64Array): number =>
  values.length === 0 ? Number.NaN : values.reduce((a, b) => a + b, 0) / values.length;

/** Linear between the two nearest ranks; NaN for nothing. */
export function quantileOf(sorted: Float64Array, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

/** First submission and last end of the jobs that count. */
export function span(report: Report, policy: ReportPolicy, mask: Mask): [from: number, to: number] {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    if (report.jobs.submit[i]! < from) from = report.jobs.submit[i]!;
    if (policy.end[i]! > to) to = policy.end[i]!;
  }
  return from <= to ? [from, to] : [0, Number.NaN];
}

/** GPUs that a run holds; several jobs on the same GPUs count them once between them. */
export function gpusOfRun(policy: ReportPolicy, run: number): number {
  let gpus = 0;
  for (let s = policy.first[run]!; s < policy.first[run + 1]!; s++) gpus += policy.shareGpus[s]!;
  return gpus / policy.runSharers[run]!;
}

/** Times of equal distance, with what is true between each and the next on average. */
export interface Curve {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** GPUs held by the jobs that count. */
export function busyOverTime(policy: ReportPolicy, mask: Mask, from: number, to: number, bins: number): Curve {
  const steps = new Steps(from, to, bins);
  for (let r = 0; r < policy.runJob.length; r++) {
    if (mask[policy.runJob[r]!] === 0) continue;
    steps.add(policy.runStart[r]!, policy.runEnd[r]!, gpusOfRun(policy, r));
  }
  return steps.curve();
}

/** Jobs that count, have been submitted, have not ended, and do not run. */
export function waitingOverTime(
  report: Report,
  policy: ReportPolicy,
  mask: Mask,
  from: number,
  to: number,
  bins: number,
): Curve {
  const steps = new Steps(from, to, bins);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const end = policy.end[i]!;
    steps.add(report.jobs.submit[i]!, Number.isNaN(end) ? to : end, 1);
  }
  for (let r = 0; r < policy.runJob.length; r++) {
    if (mask[policy.runJob[r]!] === 1) steps.add(policy.runStart[r]!, policy.runEnd[r]!, -1);
  }
  return steps.curve();
}

/** Adds up spans of time into bins: each costs the same, however long it is. */
class Steps {
  readonly #from: number;
  readonly #width: number;
  readonly #bins: number;
  /** What begins in a bin lasts to the end: `whole` counts the bins after it, `part` its own. */
  readonly #whole: Float64Array;
  readonly #part: Float64Array;

  constructor(from: number, to: number, bins: number) {
    this.#from = from;
    this.#width = (to - from) / bins;
    this.#bins = bins;
    this.#whole = new Float64Array(bins + 1);
    this.#part = new Float64Array(bins + 1);
  }

  add(start: number, end: number, height: number): void {
    this.#begin(start, height);
    this.#begin(end, -height);
  }

  #begin(time: number, height: number): void {
    const at = Math.min(this.#bins, Math.max(0, (time - this.#from) / this.#width));
    const bin = Math.floor(at);
    this.#part[bin]! += (bin + 1 - at) * height;
    if (bin < this.#bins) this.#whole[bin + 1]! += height;
  }

  curve(): Curve {
    const [times, values] = [new Float64Array(this.#bins), new Float64Array(this.#bins)];
    let height = 0;
    for (let bin = 0; bin < this.#bins; bin++) {
      height += this.#whole[bin]!;
      times[bin] = this.#from + bin * this.#width;
      // What adds up to nothing leaves a rest of rounding, which is no negative queue.
      const value = height + this.#part[bin]!;
      values[bin] = Math.abs(value) < 1e-9 ? 0 : value;
    }
    return { times, values };
  }
}
