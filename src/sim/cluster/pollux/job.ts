/**
 * A training job as the published simulator steps it: restart, then epochs at the measured speed, until all are done.
 *
 *     advance(seconds): ── restarting 30 s ──► goodput × seconds of progress ──► next epoch: batch size chosen anew ──► …
 */
import {
  type BatchPlan,
  bestBatch,
  type GradientNoise,
  splitBatch,
  type ThroughputParameters,
} from "../../../cluster/goodput.ts";
import { fitThroughput, type Observation } from "../../../cluster/goodput-fit.ts";
import type { Seconds } from "../../../time/clock.ts";
import type { Application } from "./application.ts";

export interface TrainingOptions {
  /** Examples a step over all GPUs; chosen by goodput, and changed as the job goes, where it is absent. */
  readonly batch?: number | undefined;
  readonly restartSeconds: Seconds;
  /** Whether anybody looks at the job's own model of its throughput. */
  readonly observed: boolean;
}

export class TrainingJob {
  readonly application: Application;
  readonly #options: TrainingOptions;
  /** Epochs done, and progress in all. */
  epoch = 0;
  progress = 0;
  /** GPUs on each node; empty while it does not run. */
  placement: readonly number[] = [];
  localBatch = 0;
  accumulation = 0;
  #restarting: Seconds = 0;
  #seen = new Map<string, Observation>();
  #parameters: ThroughputParameters | undefined;
  #noise: GradientNoise | undefined;
  #plans = new Map<number, BatchPlan>();
  gpusSeen = 0;

  constructor(application: Application, options: TrainingOptions) {
    this.application = application;
    this.#options = options;
  }

  get gpus(): number {
    return this.placement.reduce((n, on) => n + on, 0);
  }

  /** Examples a step. */
  get batch(): number {
    return this.gpus * this.localBatch * (this.accumulation + 1);
  }

  start(placement: readonly number[]): void {
    this.placement = placement;
    this.#chooseBatch();
    this.#restarting = this.#options.restartSeconds;
  }

  stop(): void {
    this.placement = [];
  }

  /** Runs for so long; seconds into that at which it finished, if it did. `slowdown` is the part of its speed that it loses. */
  advance(seconds: Seconds, slowdown = 0): Seconds | undefined {
    if (this.placement.length === 0) return undefined;
    const delay = Math.min(this.#restarting, seconds);
    this.#restarting -= delay;
    let left = seconds - delay;
    while (left > 0) {
      const goodput = this.#goodput() * (1 - slowdown);
      const next = this.application.progress(this.epoch + 1);
      if (this.progress + goodput * left < next) {
        this.progress += goodput * left;
        left = 0;
      } else {
        this.epoch++;
        // The published simulator ends epochs at whole seconds.
        left -= roundHalfEven((next - this.progress) / goodput);
        this.progress = next;
        if (this.epoch >= this.application.epochs) return seconds - left;
      }
      this.#chooseBatch();
    }
    return undefined;
  }

  /** Best goodput that the job expects of so many GPUs; `undefined` until it has run. */
  expected(nodes: number, gpus: number): BatchPlan | undefined {
    const parameters = this.#parameters;
    if (parameters === undefined) return undefined;
    const key = nodes * 1024 + gpus;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = bestBatch(parameters, this.#noise!, this.application, nodes, gpus);
    this.#plans.set(key, plan);
    return plan;
  }

  /** Progress a second, as it was measured; what the job sees of it goes into its own model. */
  #goodput(): number {
    const { application, placement, localBatch, accumulation, batch } = this;
    const time = application.stepTime(placement, localBatch);
    const noise = application.noise(batch, this.epoch);
    if (this.#options.observed) this.#observe(noise);
    const scale = batch / application.batchFirst;
    const gain = (noise.variance + noise.square) / (noise.variance / scale + noise.square);
    return gain / (time.step + (time.step - time.sync) * accumulation);
  }

  #observe(noise: GradientNoise): void {
    if (noise.square !== this.#noise?.square || noise.variance !== this.#noise.variance) this.#plans.clear();
    this.#noise = noise;
    const { placement, gpus, localBatch } = this;
    const key = `${placement.length} ${gpus} ${localBatch}`;
    if (this.#seen.has(key)) return;
    const { step, sync } = this.application.stepTime(placement, localBatch);
    this.#seen.set(key, { nodes: placement.length, gpus, localBatch, step, compute: step - sync });
    this.gpusSeen = Math.max(this.gpusSeen, gpus);
    this.#parameters = fitThroughput([...this.#seen.values()]);
    this.#plans.clear();
  }

  #chooseBatch(): void {
    const { application, gpus, placement } = this;
    const plan =
      this.#options.batch === undefined && this.#parameters !== undefined
        ? this.expected(placement.length, gpus)!
        : splitBatch(this.#batchGiven(), gpus, application);
    this.accumulation = plan.accumulation;
    const passes = gpus * (plan.accumulation + 1);
    this.localBatch = Math.min(plan.localBatch, Math.floor(application.batchMax / passes));
  }

  #batchGiven(): number {
    const { batchFirst, localBatchMin } = this.application;
    return this.#options.batch ?? Math.max(batchFirst, localBatchMin * this.gpus);
  }
}

/** To the nearest whole number, halves to the even one. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
