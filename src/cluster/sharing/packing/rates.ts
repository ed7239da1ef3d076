/**
 * What jobs were seen to do: progress per second alone, and beside one other, between decisions at which both stood alike. Nothing
 * is known of a job before it has run, or of two before they have run together.
 */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";
import { RunningRows } from "../../running-rows.ts";

interface Sample {
  readonly at: Seconds;
  readonly done: number;
  /** The run, and who shared its GPUs: a sample of another run or company tells nothing. */
  readonly restarts: number;
  readonly gpus: number;
  readonly mate: JobId;
}

interface Rate {
  /** Progress and the time that it took, in whole. */
  done: number;
  seconds: Seconds;
}

interface Known {
  sample: Sample | undefined;
  /** By the job beside it; "" alone. */
  readonly rates: Map<JobId, Rate>;
}

export class Rates {
  readonly #jobs = new Map<JobId, Known>();
  /** Jobs that have told how busy they keep their GPUs. */
  readonly #told = new Set<JobId>();
  /** Jobs that have told how far they are and not how busy: they are not watched, since they run alone. */
  readonly #silent = new Set<JobView>();
  readonly #running = new RunningRows((job) => ({ job, silent: this.#silent.has(job) }));

  /** Whether any job has: the others run alone. */
  get knowsAny(): boolean {
    return this.#told.size > 0;
  }

  /** Takes in what jobs report now. */
  observe({ now, running, arrived, requeued, ended }: ClusterView): void {
    for (const job of arrived) this.#hear(job);
    // What they told at the end of a run.
    for (const job of requeued) this.#hear(job);
    for (const row of this.#running.of(running)) if (!row.silent) row.silent = this.#isSilent(row.job, now);
    for (const job of ended) {
      const { spec } = job;
      this.#silent.delete(job);
      this.#jobs.delete(spec.id);
      this.#told.delete(spec.id);
    }
  }

  #hear(job: JobView): void {
    if (job.outlook?.utilisation === undefined) return;
    this.#told.add(job.spec.id);
    this.#silent.delete(job);
  }

  /** Progress per second alone; `undefined` where the job has not run alone yet. */
  alone(job: JobView): number | undefined {
    return this.#rateOf(job.spec.id, "", 0);
  }

  /** Both jobs' speeds together, in parts of their speeds alone; `undefined` until both were watched for so long. */
  together(a: JobView, b: JobView, seconds: Seconds): number | undefined {
    const [first, second] = [this.#part(a, b, seconds), this.#part(b, a, seconds)];
    return first === undefined || second === undefined ? undefined : first + second;
  }

  #part(job: JobView, beside: JobView, seconds: Seconds): number | undefined {
    const rate = this.#rateOf(job.spec.id, beside.spec.id, seconds);
    const alone = this.alone(job);
    return rate === undefined || alone === undefined || alone === 0 ? undefined : rate / alone;
  }

  #rateOf(job: JobId, beside: JobId, secondsMin: Seconds): number | undefined {
    const rate = this.#jobs.get(job)?.rates.get(beside);
    return rate === undefined || rate.seconds < secondsMin || rate.seconds === 0 ? undefined : rate.done / rate.seconds;
  }

  /** Takes a sample, and tells whether there is nothing to take of this job. */
  #isSilent(job: JobView, now: Seconds): boolean {
    const { spec, state, beside, restarts, gpus, outlook } = job;
    let known = this.#jobs.get(spec.id);
    if (state !== "running" || outlook === undefined || beside.length > 1) {
      if (known !== undefined) known.sample = undefined;
      return false;
    }
    if (known === undefined) this.#jobs.set(spec.id, (known = { sample: undefined, rates: new Map() }));
    const { done, utilisation } = outlook;
    if (utilisation !== undefined) this.#told.add(spec.id);
    else if (done > 0 && beside.length === 0) {
      this.#jobs.delete(spec.id);
      this.#silent.add(job);
      return true;
    }
    const [mate = ""] = beside;
    const before = known.sample;
    known.sample = { at: now, done, restarts, gpus, mate };
    if (before === undefined || before.at === now) return false;
    if (before.restarts !== restarts || before.gpus !== gpus || before.mate !== mate) return false;
    const rate = known.rates.get(mate);
    if (rate === undefined) known.rates.set(mate, { done: done - before.done, seconds: now - before.at });
    else {
      rate.done += done - before.done;
      rate.seconds += now - before.at;
    }
    return false;
  }
}
