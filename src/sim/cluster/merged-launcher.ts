/**
 * What ElasticFlow's published simulator takes for running jobs under EDF: arrivals and ends are what the cluster is decided at,
 * but those that come within a slot of a decision are seen together a slot after it, unless nothing else is to come. Who is done
 * before that ends then, at a whole second, and leaves its GPUs idle. Starts cost nothing.
 */
import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { arrivalTimes, lookAt } from "./looks.ts";
import { type Progress, ProgressOfJobs } from "./progress.ts";
import { iterationsOf } from "./turns-launcher.ts";

export interface MergedOptions {
  readonly jobs: readonly JobSpec[];
  readonly slotSeconds: Seconds;
  /** Iterations a second. */
  readonly rate: (job: JobSpec, gpus: number) => number;
  readonly report: (event: ClusterEvent) => void;
}

interface Rated extends Progress {
  rate: number;
}

export class MergedLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: MergedOptions;
  readonly #jobs: ProgressOfJobs<Rated>;
  /** Ascending. */
  readonly #arrivals: readonly Seconds[];
  /** Who has run and is not done: its end is foreseen even while it waits. */
  readonly #begun = new Set<JobId>();

  constructor(clock: Clock, options: MergedOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new ProgressOfJobs({
      ...{ clock, work: iterationsOf },
      report: (event) => {
        if (event.kind === "finished") this.#begun.delete(event.job);
        options.report(event);
      },
      make: (idle) => ({ ...idle, rate: 0 }),
      leaves: advance,
    });
    this.#arrivals = arrivalTimes(options.jobs);
    lookAt(this.#arrivals[0] ?? Number.POSITIVE_INFINITY, clock, options.report);
  }

  start(run: Run): void {
    this.#jobs.begin(run).rate = this.#options.rate(run.job, gpusIn(run.places));
    this.#begun.add(run.job.id);
    this.#jobs.started(run);
  }

  stop(id: JobId, attempt: number): void {
    this.#jobs.stop(id, attempt);
  }

  settle(now: Seconds): void {
    for (const progress of [...this.#jobs.running]) {
      advance(progress, now);
      // Rounding may have made it a second later.
      if (progress.left === 0) this.#jobs.finish(progress, now);
    }
    // When what is decided now has been started and stopped.
    this.#clock.at(now, () => this.#goOn(now));
  }

  outlook(spec: JobSpec): Outlook {
    const total = iterationsOf(spec);
    const progress = this.#jobs.get(spec.id);
    return {
      done: progress === undefined ? 0 : total - leftAt(progress, this.#clock.now()),
      total,
      rate: (gpus) => this.#options.rate(spec, gpus),
    };
  }

  #goOn(now: Seconds): void {
    const coming = new Set(this.#arrivals.filter((at) => at > now));
    for (const progress of this.#jobs.running) {
      const end = Math.ceil(now + progress.left / progress.rate);
      this.#jobs.predict(progress, end);
      coming.add(end);
    }
    const first = Math.min(...coming);
    const isLast = coming.size === 1 && this.#begun.size === this.#jobs.running.size;
    const { slotSeconds, report } = this.#options;
    lookAt(isLast ? first : Math.max(first, now + slotSeconds), this.#clock, report);
  }
}

function advance(progress: Rated, now: Seconds): void {
  progress.left = leftAt(progress, now);
  progress.at = now;
}

const leftAt = ({ left, at, rate, run }: Rated, now: Seconds): number =>
  run === undefined ? left : Math.max(0, left - (now - at) * rate);
