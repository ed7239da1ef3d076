/** A job as the model of leases keeps it: steps done of steps to do, at a batch size that changes. */
import type { JobId, JobSpec, Outlook } from "../../../cluster/job.ts";
import type { Seconds } from "../../../time/clock.ts";
import {
  examplesOf,
  gnsBatch,
  isCritical,
  isLargest,
  isSmallest,
  type JobType,
  jobTypeOf,
  largestBatch,
  type Mode,
  modeOf,
  nameOf,
  stepsPerEpoch,
} from "./batch-size.ts";
import { Calibration } from "./calibration.ts";
import { type Profile, profileOf } from "./profile.ts";
import type { Throughputs } from "./throughputs.ts";

export interface LeasedJobOptions {
  readonly throughputs: Throughputs;
  readonly reference: string;
  readonly roundSeconds: Seconds;
  readonly overtime: number;
}

/**
 * A batch size that grows in the last epoch can leave a job with no steps to do and without an end; its leases are empty then, and so
 * many of them end it.
 */
const idleMost = 5;

export class LeasedJob {
  readonly #spec: JobSpec;
  readonly #options: LeasedJobOptions;
  readonly #first: JobType;
  readonly #mode: Mode;
  #type: JobType;
  #total: number;
  #done = 0;
  #computed: Seconds = 0;
  #lease: Seconds = 0;
  #idle = 0;
  /** What the next lease is to end with. */
  #wish: "larger" | "smaller" | undefined;
  #profiled: Profile | undefined;
  #calibration: Calibration | undefined;

  constructor(spec: JobSpec, options: LeasedJobOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#type = this.#first = jobTypeOf(spec.model ?? "");
    this.#mode = modeOf(spec.class);
    this.#total = spec.iterations ?? 0;
  }

  get name(): string {
    return nameOf(this.#type);
  }

  get remaining(): number {
    return this.#total - this.#done;
  }

  get #profile(): Profile {
    this.#profiled ??= profileOf(this.#spec, this.#options.throughputs, this.#options.reference);
    return this.#profiled;
  }

  get #epochs(): Calibration {
    const examples = examplesOf(this.#first.model);
    this.#calibration ??= new Calibration(this.#profile.seconds, examples, this.#options.roundSeconds);
    return this.#calibration;
  }

  /** A lease has ended. Returns whether the job has. */
  advance(steps: number, seconds: Seconds, round: number): boolean {
    this.#done += steps;
    this.#computed += seconds;
    this.#lease = seconds;
    const rate = seconds <= 0 ? 0 : steps / seconds;
    this.#epochs.measure({ round: round + 1, rate, batch: this.#type.batch });
    if (steps <= 0 && seconds <= 0) return ++this.#idle >= idleMost;
    const limit = Math.trunc(Math.trunc(this.#profile.duration) * this.#options.overtime);
    if (this.remaining <= 0 || this.#computed > limit) return true;
    if (this.#wish !== undefined) this.#resize(this.#wish);
    this.#wish = this.#mode === "gns" ? this.#gns() : this.#mode === "accordion" ? this.#accordion() : undefined;
    return false;
  }

  outlook(
    alone: (type: string, job: string, gpus: number) => number,
    together: (type: string, other: JobId, gpus: number) => number,
  ): Outlook {
    const { batches } = this.#profile;
    const epochs = this.#epochs;
    return {
      done: this.#done,
      total: this.#total,
      computed: this.#computed,
      lease: this.#lease,
      rate: (gpus, _nodes, type) => alone(type, this.name, gpus),
      rateBeside: (other, gpus, type) => together(type, other, gpus),
      regimes: {
        done: Math.floor(this.#done / stepsPerEpoch(this.#type)),
        batches,
        get seconds() {
          return epochs.seconds;
        },
      },
    };
  }

  /** Epochs that have begun, at the batch size of now. */
  get #epoch(): number {
    return Math.ceil(this.#done / stepsPerEpoch(this.#type));
  }

  #gns(): "larger" | undefined {
    const [here, next] = [this.#epoch, this.#epoch + 1].map((epoch) => gnsBatch(this.#first, this.#spec.gpus, epoch));
    const { batch } = this.#type;
    return (next! > batch || here! > batch) && !isLargest(this.#type) ? "larger" : undefined;
  }

  #accordion(): "larger" | "smaller" | undefined {
    const critical = isCritical(this.#first, this.#epoch);
    const original = this.#type.batch === this.#first.batch;
    if (original && !critical && !isLargest(this.#type)) return "larger";
    return !original && critical && !isSmallest(this.#type) ? "smaller" : undefined;
  }

  /** Epochs stay as many as they were, and those that have begun count as done. */
  #resize(wish: "larger" | "smaller"): void {
    const { throughputs, reference } = this.#options;
    const { model, batch: old } = this.#type;
    // A Transformer may grow to 128 by its noise, and is not held back where it began there.
    if (model !== "Transformer" && this.#first.batch === largestBatch(model)) return;
    const accordion = wish === "larger" ? (largestBatch(model) ?? old) : this.#first.batch;
    const type = { model, batch: this.#mode === "gns" ? 2 * old : accordion };
    if (throughputs.alone(reference, nameOf(type), this.#spec.gpus) === 0) return;
    const epochs = Math.ceil(this.#total / stepsPerEpoch(this.#type));
    const scaled = Math.ceil(this.#total * (old / type.batch));
    const kept = Math.ceil(scaled / stepsPerEpoch(type)) === epochs;
    const begun = this.#epoch;
    this.#total = kept ? scaled : stepsPerEpoch(type) * epochs;
    this.#done = begun * stepsPerEpoch(type);
    this.#type = type;
  }
}
