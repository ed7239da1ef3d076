/**
 * What jobs were seen to do: progress per second alone, and beside one other, between decisions at which both stood alike. Nothing
 * is known of a job before it has run, or of two before they have run together.
 */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";

interface Sample {
  readonly at: Seconds;
  readonly done: number;
  /** The run, and who shared its GPUs: a sample of another run or company tells nothing. */
  readonly setting: string;
}

interface Rate {
  /** Progress and the time that it took, in whole. */
  done: number;
  seconds: Seconds;
}

export class Rates {
  readonly #samples = new Map<JobId, Sample>();
  /** By job, and by the job beside it; "" alone. */
  readonly #rates = new Map<JobId, Map<JobId, Rate>>();

  /** Takes in what running jobs report now. */
  observe({ now, running, ended }: ClusterView): void {
    for (const { spec } of ended) {
      this.#samples.delete(spec.id);
      this.#rates.delete(spec.id);
    }
    for (const job of running) this.#sample(job, now);
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
    const rate = this.#rates.get(job)?.get(beside);
    return rate === undefined || rate.seconds < secondsMin || rate.seconds === 0 ? undefined : rate.done / rate.seconds;
  }

  #sample(job: JobView, now: Seconds): void {
    const { spec, state, beside, restarts, outlook } = job;
    const before = this.#samples.get(spec.id);
    if (state !== "running" || outlook === undefined || beside.length > 1) {
      this.#samples.delete(spec.id);
      return;
    }
    const [mate = ""] = beside;
    const setting = `${restarts} ${job.gpus} ${mate}`;
    this.#samples.set(spec.id, { at: now, done: outlook.done, setting });
    if (before === undefined || before.setting !== setting || before.at === now) return;
    const rates = this.#rates.get(spec.id) ?? new Map<JobId, Rate>();
    this.#rates.set(spec.id, rates);
    const rate = rates.get(mate) ?? { done: 0, seconds: 0 };
    rate.done += outlook.done - before.done;
    rate.seconds += now - before.at;
    rates.set(mate, rate);
  }
}
