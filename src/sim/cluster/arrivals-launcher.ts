/**
 * What ElasticFlow's published simulator takes for running jobs where they have the size they ask for: they run for as long as the
 * trace says, but the cluster is looked at only when a job comes, no sooner than a slot after the last time, and every slot after
 * the last has come. Until then everybody waits for a start at each look; who was waiting for a turn at the last look before
 * that owes one.
 */
import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { arrivalTimes, lookAt } from "./looks.ts";
import { type Progress, ProgressOfJobs } from "./progress.ts";
import { durationOf } from "./steady-launcher.ts";

export interface ArrivalsOptions {
  readonly jobs: readonly JobSpec[];
  readonly slotSeconds: Seconds;
  /** From a look to the first iteration; `look` counts from 0. */
  readonly startSeconds: (gpus: number, look: number) => Seconds;
  /** Who waits for a turn, as of the decision of the last look. */
  readonly awaited: () => readonly JobId[];
  readonly report: (event: ClusterEvent) => void;
}

export class ArrivalsLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: ArrivalsOptions;
  readonly #jobs: ProgressOfJobs<Progress>;
  /** Until the last arrival. */
  readonly #looks: readonly Seconds[];
  #look = -1;
  /** Who was waiting for a turn at the last look at which everybody waits for a start. */
  #owing = new Set<JobId>();

  constructor(clock: Clock, options: ArrivalsOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new ProgressOfJobs({
      ...{ clock, report: options.report, work: durationOf },
      make: (idle) => idle,
      leaves: advance,
    });
    this.#looks = looksOf(arrivalTimes(options.jobs), options.slotSeconds);
    lookAt(this.#looks[0] ?? Number.POSITIVE_INFINITY, clock, options.report);
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
    for (const progress of this.#jobs.running) advance(progress, now);
    // When what is decided now has been started and stopped.
    this.#clock.at(now, () => this.#goOn(now));
  }

  outlook(spec: JobSpec): Outlook {
    const total = durationOf(spec);
    const progress = this.#jobs.get(spec.id);
    return {
      done: progress === undefined ? 0 : total - leftAt(progress, this.#clock.now()),
      total,
      rate: (gpus) => (gpus === spec.gpus ? 1 : 0),
    };
  }

  #goOn(now: Seconds): void {
    if (this.#look === this.#looks.length - 2) this.#owing = new Set(this.#options.awaited());
    for (const progress of this.#jobs.running) {
      progress.starting = this.#startOf(progress);
      this.#jobs.predict(progress, now + progress.starting + progress.left);
    }
    const next = this.#looks[this.#look + 1];
    const { slotSeconds, report } = this.#options;
    if (next !== undefined || this.#jobs.running.size > 0) lookAt(next ?? now + slotSeconds, this.#clock, report);
  }

  #startOf({ spec, run }: Progress): Seconds {
    const last = this.#looks.length - 1;
    const gpus = gpusIn(run!.places);
    if (this.#look < last) return this.#options.startSeconds(gpus, this.#look);
    return this.#owing.delete(spec.id) ? this.#options.startSeconds(gpus, last - 1) : 0;
  }
}

function advance(progress: Progress, now: Seconds): void {
  progress.left = leftAt(progress, now);
  progress.at = now;
}

const leftAt = ({ left, at, starting, run }: Progress, now: Seconds): Seconds =>
  run === undefined ? left : Math.max(0, left - Math.max(0, now - at - starting));

/** Who comes too soon after a look is seen a slot after it, unless nobody else is to come. */
function looksOf(times: readonly Seconds[], slotSeconds: Seconds): readonly Seconds[] {
  const looks: Seconds[] = [];
  for (let i = 0; i < times.length; ) {
    const before = looks.at(-1);
    const at = before === undefined || i === times.length - 1 ? times[i]! : Math.max(times[i]!, before + slotSeconds);
    looks.push(at);
    while (i < times.length && times[i]! <= at) i++;
  }
  return looks;
}
