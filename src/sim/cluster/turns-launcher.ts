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
import { type Progress, ProgressOfJobs } from "./progress.ts";

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
  /** In ascending order: a job that would be done within a billionth of such a time, or 0.1 ms, is done then. */
  readonly arrivals?: readonly Seconds[];
  /** Whether jobs that would be done within a billionth of the time of each other are done at once; those of one time are anyway. */
  readonly endsTogether?: boolean;
  /** Whether the start is also waited for in the interval in which a job ends: real runs do, the authors' simulator does not. */
  readonly lastStart?: boolean;
}

interface Turn extends Progress {
  mates: Set<Turn>;
  /** Seconds of an iteration now. */
  period: Seconds;
  /** When it will be done. */
  ends: Seconds;
}

export class TurnsLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: TurnsOptions;
  readonly #jobs: ProgressOfJobs<Turn>;
  readonly #periods = new Periods();
  #settled: Seconds = Number.NEGATIVE_INFINITY;
  /** Whether everything is launched again by the decision made then. */
  #again = false;

  constructor(clock: Clock, options: TurnsOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new ProgressOfJobs({
      ...{ clock, work: iterationsOf },
      report: (event) => {
        options.report(event);
        if (event.kind === "finished" && options.endsTogether) this.#finishWith(event.at);
      },
      make: (idle) => ({ ...idle, mates: new Set<Turn>(), period: 0, ends: 0 }),
      leaves: (progress, at) => this.#leave(progress, at),
    });
  }

  start(run: Run): void {
    const progress = this.#jobs.begin(run);
    const mates = run.beside.flatMap((id) => {
      const mate = this.#jobs.get(id);
      return mate?.run === undefined ? [] : [mate];
    });
    for (const mate of mates) this.#advance(mate, progress.at);
    progress.mates = new Set(mates);
    for (const mate of mates) mate.mates.add(progress);
    for (const one of [progress, ...mates]) this.#regroup(one, true);
    this.#jobs.started(run);
  }

  stop(id: JobId, attempt: number): void {
    this.#jobs.stop(id, attempt);
  }

  settle(now: Seconds): void {
    if (now === this.#settled) return;
    this.#again = this.#options.relaunches?.(this.#settled, now) ?? true;
    this.#settled = now;
    for (const progress of this.#jobs.running) {
      this.#advance(progress, now);
      this.#regroup(progress, this.#again);
    }
  }

  outlook(spec: JobSpec): Outlook {
    const total = iterationsOf(spec);
    const progress = this.#jobs.get(spec.id);
    return {
      done: progress === undefined ? 0 : total - this.#leftAt(progress, this.#clock.now()),
      total,
      rate: (gpus) => this.#alone(spec, gpus),
      // Its iteration was profiled on the GPUs that it asks for, and on no others.
      ...(this.#options.rate === undefined && { gpusMin: spec.gpus, gpusMax: spec.gpus }),
    };
  }

  #alone(spec: JobSpec, gpus: number): number {
    const { rate } = this.#options;
    if (rate !== undefined) return rate(spec, gpus);
    return gpus === spec.gpus ? 1 / (iterationSeconds(spec)! * contention[1]!) : 0;
  }

  #leftAt({ left, at, starting, period, run }: Turn, now: Seconds): number {
    return run === undefined ? left : Math.max(0, left - Math.max(0, now - at - starting) / period);
  }

  #advance(progress: Turn, now: Seconds): void {
    if (now === progress.at) return;
    progress.left = this.#leftAt(progress, now);
    progress.starting = Math.max(0, progress.starting - (now - progress.at));
    progress.at = now;
  }

  /** Those it runs with go on without it. */
  #leave(progress: Turn, now: Seconds): void {
    this.#advance(progress, now);
    const { mates } = progress;
    progress.mates = new Set();
    for (const mate of mates) {
      mate.mates.delete(progress);
      // It is done at this very time.
      if (this.#endsWith(mate, now)) continue;
      this.#advance(mate, now);
      // Those that stay are launched without it.
      this.#regroup(mate, this.#again && now === this.#settled);
    }
  }

  #finishWith(now: Seconds): void {
    for (const progress of this.#jobs.running) {
      // Whoever is done leaves those that run, and so may others: each is looked at as it is now.
      if (this.#endsWith(progress, now)) this.#jobs.finish(progress, now);
    }
  }

  #endsWith({ ends }: Turn, now: Seconds): boolean {
    return this.#options.endsTogether ? ends <= now * (1 + 1e-9) : ends === now;
  }

  /** Its period among those it runs with now, and when it will end. */
  #regroup(progress: Turn, again: boolean): void {
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
    const begin = progress.at + (this.#options.lastStart ? progress.starting : 0);
    progress.ends = this.#withArrivals(begin + progress.left * progress.period);
    this.#jobs.predict(progress, progress.ends);
  }

  #withArrivals(end: Seconds): Seconds {
    const { arrivals = [] } = this.#options;
    const within = Math.max(1e-9 * end, 1e-4);
    const first = firstAtLeast(arrivals, end - within);
    const arrival = arrivals[first];
    return arrival !== undefined && arrival > this.#clock.now() && arrival <= end + within ? arrival : end;
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

/** Index of the first that is no less. */
function firstAtLeast(sorted: readonly number[], least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const half = (low + high) >> 1;
    if (sorted[half]! < least) low = half + 1;
    else high = half;
  }
  return low;
}
