/**
 * What ElasticFlow's published simulator takes for running jobs under Tiresias: they run for as long as the trace says, in whole
 * seconds. The cluster is decided when jobs come, when the first of those that run is done, and when the first is thought to fall
 * to its next queue, but no sooner than a slot after the last time, unless the last job comes; who is done holds its GPUs until
 * then. A start is waited for only where something is decided before the end.
 */
import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { arrivalTimes, lookAt } from "./looks.ts";
import { type Progress, ProgressOfJobs } from "./progress.ts";
import { durationOf } from "./steady-launcher.ts";

export interface LevelsOptions {
  readonly jobs: readonly JobSpec[];
  /** GPU-seconds after which a job leaves each queue. */
  readonly falls: readonly number[];
  readonly slotSeconds: Seconds;
  /** From a start to the first second of work; `look` counts decisions from 0. */
  readonly startSeconds: (gpus: number, look: number) => Seconds;
  /** Everybody starts anew then. */
  readonly isAnew: (look: number) => boolean;
  readonly report: (event: ClusterEvent) => void;
}

interface Levelled extends Progress {
  level: number;
}

interface Ending {
  readonly progress: Levelled;
  readonly end: Seconds;
}

const wholeOf = (spec: JobSpec): Seconds => Math.trunc(durationOf(spec));

export class LevelsLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: LevelsOptions;
  readonly #jobs: ProgressOfJobs<Levelled>;
  /** Ascending. */
  readonly #arrivals: readonly Seconds[];
  /** Who ran when the cluster was about to be decided: it has started. */
  #ran = new Set<JobId>();
  /** Who ends at the next look. */
  #endings: readonly Ending[] = [];
  #look = -1;

  constructor(clock: Clock, options: LevelsOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new ProgressOfJobs({
      ...{ clock, report: options.report, work: wholeOf },
      make: (idle) => ({ ...idle, level: 0 }),
      leaves: advance,
    });
    this.#arrivals = arrivalTimes(options.jobs);
    lookAt(this.#arrivals[0] ?? Number.POSITIVE_INFINITY, clock, options.report);
  }

  start(run: Run): void {
    this.#jobs.begin(run);
    this.#jobs.started(run);
  }

  stop(id: JobId, attempt: number): void {
    this.#jobs.stop(id, attempt);
  }

  settle(now: Seconds): void {
    this.#look++;
    for (const { progress, end } of this.#endings) this.#jobs.finish(progress, end);
    for (const progress of this.#jobs.running) {
      advance(progress, now);
      const limit = this.#options.falls[progress.level];
      if (limit !== undefined && executed(progress) * progress.spec.gpus >= limit) progress.level++;
    }
    this.#ran = new Set([...this.#jobs.running].map(({ spec }) => spec.id));
    // When what is decided now has been started and stopped.
    this.#clock.at(now, () => this.#goOn(now));
  }

  outlook(spec: JobSpec): Outlook {
    const progress = this.#jobs.get(spec.id);
    const done = progress === undefined ? 0 : executed(progress);
    return { done, total: wholeOf(spec), rate: (gpus) => (gpus === spec.gpus ? 1 : 0), computed: done };
  }

  #goOn(now: Seconds): void {
    const { slotSeconds, startSeconds, falls, report } = this.#options;
    const anew = this.#options.isAnew(this.#look);
    const soonest = now + slotSeconds;
    let fall = Number.POSITIVE_INFINITY;
    let ends = Number.POSITIVE_INFINITY;
    const endings: Ending[] = [];
    for (const progress of this.#jobs.running) {
      if (anew || !this.#ran.has(progress.spec.id)) {
        progress.starting = startSeconds(gpusIn(progress.run!.places), this.#look);
      }
      const end = Math.trunc(now + progress.left + (anew ? progress.starting : 0));
      endings.push({ progress, end });
      ends = Math.min(ends, Math.max(soonest, end));
      const limit = falls[progress.level];
      // Thought of as of seconds, though it is of GPU-seconds.
      if (limit !== undefined)
        fall = Math.min(fall, now + Math.ceil((limit - executed(progress)) / progress.spec.gpus));
    }
    const next = Math.min(ends, this.#nextArrival(now), Math.max(soonest, fall));
    this.#endings = next < ends ? [] : endings.filter(({ end }) => Math.max(soonest, end) === ends);
    lookAt(next, this.#clock, report);
  }

  #nextArrival(now: Seconds): Seconds {
    const [first = Number.POSITIVE_INFINITY, second] = this.#arrivals.filter((at) => at > now);
    return second === undefined ? first : Math.max(first, now + this.#options.slotSeconds);
  }
}

const executed = ({ spec, left }: Progress): Seconds => wholeOf(spec) - left;

/** Below 0 for who is done and was not seen to be. */
function advance(progress: Progress, now: Seconds): void {
  if (now === progress.at) return;
  progress.left -= Math.max(0, Math.trunc(now - progress.at) - progress.starting);
  progress.starting = 0;
  progress.at = now;
}
