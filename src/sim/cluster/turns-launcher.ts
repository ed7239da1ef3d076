/**
 * A model of jobs that run a profiled iteration over and over, alone or taking turns with others on the same GPUs (Muri): the
 * period of a group gives one iteration to each. Whenever the cluster is decided anew, everything that runs is launched again, as
 * in the authors' controller, and loses the time that its workload was measured to need to start.
 */

import { contention, iterationSeconds, Periods } from "../../cluster/interleave.ts";
import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import { UserError } from "../../core/errors.ts";
import type { Clock, Seconds } from "../../time/clock.ts";

export interface TurnsOptions {
  readonly report: (event: ClusterEvent) => void;
  /** From launch to the first iteration; 0 unless given. */
  readonly startSeconds?: (job: JobSpec, gpus: number) => Seconds;
  /** What a launch takes besides where a job has its GPUs alone; 0 unless given. */
  readonly aloneSeconds?: Seconds;
  /** Iterations a second of a job alone, from a table; the profiled iteration's unless given. 0 where it cannot run. */
  readonly rate?: (job: JobSpec, gpus: number) => number;
  /** Whether those that share GPUs start at once, or one after another. */
  readonly atOnce?: boolean;
  /**
   * Whether everything is launched again when the cluster is decided at `now`, after `before`; always, unless given. A controller of
   * rounds does it in those in which something has happened.
   */
  readonly relaunches?: (before: Seconds, now: Seconds) => boolean;
  /** Whether the start is also waited for in the interval in which a job ends: real runs do, the authors' simulator does not. */
  readonly lastStart?: boolean;
}

interface Progress {
  readonly spec: JobSpec;
  /** Iterations, as of `at`. */
  left: number;
  at: Seconds;
  run: Run | undefined;
  mates: Set<Progress>;
  /** Seconds of an iteration now. */
  period: Seconds;
  /** Not computing yet: so much of the next interval goes to the start. */
  starting: Seconds;
  version: number;
}

export class TurnsLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: TurnsOptions;
  readonly #jobs = new Map<JobId, Progress>();
  readonly #running = new Set<Progress>();
  readonly #periods = new Periods();
  #settled: Seconds = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, options: TurnsOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  start(run: Run): void {
    const now = this.#clock.now();
    const progress = this.#progressOf(run.job, now);
    progress.run = run;
    progress.at = now;
    const mates = run.beside.flatMap((id) => {
      const mate = this.#jobs.get(id);
      return mate?.run === undefined ? [] : [mate];
    });
    for (const mate of mates) this.#advance(mate, now);
    progress.mates = new Set(mates);
    for (const mate of mates) mate.mates.add(progress);
    this.#running.add(progress);
    for (const one of [progress, ...mates]) this.#regroup(one, true);
    this.#options.report({ kind: "started", at: now, job: run.job.id, attempt: run.attempt });
  }

  stop(id: JobId, attempt: number): void {
    const progress = this.#jobs.get(id);
    if (progress?.run?.attempt !== attempt) return;
    const now = this.#clock.now();
    this.#leave(progress, now);
    this.#options.report({ kind: "stopped", at: now, job: id, attempt });
  }

  settle(now: Seconds): void {
    if (now === this.#settled) return;
    const again = this.#options.relaunches?.(this.#settled, now) ?? true;
    this.#settled = now;
    for (const progress of this.#running) {
      this.#advance(progress, now);
      this.#regroup(progress, again);
    }
  }

  outlook(spec: JobSpec): Outlook {
    const total = iterationsOf(spec);
    const progress = this.#jobs.get(spec.id);
    return {
      done: progress === undefined ? 0 : total - this.#leftAt(progress, this.#clock.now()),
      total,
      rate: (gpus) => this.#alone(spec, gpus),
    };
  }

  #alone(spec: JobSpec, gpus: number): number {
    const { rate } = this.#options;
    if (rate !== undefined) return rate(spec, gpus);
    return gpus === spec.gpus ? 1 / (iterationSeconds(spec)! * contention[1]!) : 0;
  }

  #progressOf(spec: JobSpec, now: Seconds): Progress {
    const known = this.#jobs.get(spec.id);
    if (known !== undefined) return known;
    const progress: Progress = {
      ...{ spec, left: iterationsOf(spec), at: now, run: undefined, mates: new Set<Progress>() },
      ...{ period: 0, starting: 0, version: 0 },
    };
    this.#jobs.set(spec.id, progress);
    return progress;
  }

  #leftAt({ left, at, starting, period, run }: Progress, now: Seconds): number {
    return run === undefined ? left : Math.max(0, left - Math.max(0, now - at - starting) / period);
  }

  #advance(progress: Progress, now: Seconds): void {
    if (now === progress.at) return;
    progress.left = this.#leftAt(progress, now);
    progress.starting = Math.max(0, progress.starting - (now - progress.at));
    progress.at = now;
  }

  #leave(progress: Progress, now: Seconds): void {
    this.#advance(progress, now);
    progress.run = undefined;
    progress.version++;
    this.#running.delete(progress);
    const { mates } = progress;
    progress.mates = new Set();
    for (const mate of mates) {
      this.#advance(mate, now);
      mate.mates.delete(progress);
      this.#regroup(mate, false);
    }
  }

  /** Its period among those it runs with now, and when it will end. */
  #regroup(progress: Progress, again: boolean): void {
    const { spec, run, mates } = progress;
    const group = [spec, ...[...mates].map((mate) => mate.spec)];
    const gpus = gpusIn(run!.places);
    progress.period =
      group.length === 1
        ? 1 / this.#alone(spec, gpus)
        : this.#periods.of(group.map((job) => job.phases!)) * (contention[group.length] ?? 1);
    const { startSeconds = () => 0, aloneSeconds = 0, atOnce = false } = this.#options;
    if (again) {
      const starts = group.map((job) => startSeconds(job, gpus));
      const first = atOnce ? Math.max(...starts) : starts.reduce((a, b) => a + b, 0);
      progress.starting = first + (group.length === 1 ? aloneSeconds : 0);
    }
    const version = ++progress.version;
    const begin = progress.at + (this.#options.lastStart ? progress.starting : 0);
    const end = begin + progress.left * progress.period;
    this.#clock.at(end, () => {
      if (progress.version !== version) return;
      this.#leave(progress, end);
      progress.left = 0;
      this.#options.report({ kind: "finished", at: end, job: spec.id, attempt: run!.attempt });
    });
  }
}

/** Throws a `UserError` where the trace does not tell. */
export function iterationsOf({ id, iterations, duration }: JobSpec): number {
  if (iterations !== undefined && duration !== undefined && iterations > 0) return iterations;
  throw new UserError(
    `Job ${id} has no iterations, or no duration, so that its iterations cannot be simulated.`,
    "Give it both, as Muri's traces do.",
  );
}
