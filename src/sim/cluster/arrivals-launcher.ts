/**
 * What ElasticFlow's published simulator takes for running jobs where they have the size they ask for: they run for as long as the
 * trace says, but the cluster is looked at only when a job comes, no sooner than a slot after the last time, and every slot after
 * the last has come. Until then everybody waits for a start at each look; who was waiting for a turn at the last look before
 * that owes one.
 */
import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import { UserError } from "../../core/errors.ts";
import type { Clock, Seconds } from "../../time/clock.ts";

export interface ArrivalsOptions {
  readonly jobs: readonly JobSpec[];
  readonly slotSeconds: Seconds;
  /** From a look to the first iteration; `look` counts from 0. */
  readonly startSeconds: (gpus: number, look: number) => Seconds;
  readonly report: (event: ClusterEvent) => void;
}

interface Progress {
  readonly spec: JobSpec;
  left: Seconds;
  at: Seconds;
  run: Run | undefined;
  starting: Seconds;
  /** The look that it last began or went on at. */
  look: number;
  version: number;
}

export class ArrivalsLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: ArrivalsOptions;
  readonly #jobs = new Map<JobId, Progress>();
  readonly #running = new Set<Progress>();
  /** Until the last arrival. */
  readonly #looks: readonly Seconds[];
  #look = -1;

  constructor(clock: Clock, options: ArrivalsOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#looks = looksOf(
      options.jobs.map(({ submit }) => submit),
      options.slotSeconds,
    );
    this.#askFor(this.#looks[0]);
  }

  start(run: Run): void {
    const now = this.#clock.now();
    const progress = this.#progressOf(run.job, now);
    progress.run = run;
    progress.at = now;
    this.#running.add(progress);
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
    this.#look++;
    for (const progress of this.#running) this.#advance(progress, now);
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

  #askFor(at: Seconds | undefined): void {
    if (at === undefined) return;
    this.#clock.at(at, () => this.#options.report({ kind: "round", at }));
  }

  #progressOf(spec: JobSpec, now: Seconds): Progress {
    const known = this.#jobs.get(spec.id);
    if (known !== undefined) return known;
    const idle = { at: now, run: undefined, starting: 0, look: -1, version: 0 };
    const progress: Progress = { spec, left: durationOf(spec), ...idle };
    this.#jobs.set(spec.id, progress);
    return progress;
  }

  #goOn(now: Seconds): void {
    for (const progress of this.#running) {
      progress.starting = this.#startOf(progress);
      progress.look = this.#look;
      const end = now + progress.starting + progress.left;
      const version = ++progress.version;
      this.#clock.at(end, () => {
        if (progress.version === version) this.#finish(progress, end);
      });
    }
    const next = this.#looks[this.#look + 1];
    if (next !== undefined || this.#running.size > 0) this.#askFor(next ?? now + this.#options.slotSeconds);
  }

  #startOf({ spec, run, look }: Progress): Seconds {
    const last = this.#looks.length - 1;
    const gpus = gpusIn(run!.places);
    if (this.#look < last) return this.#options.startSeconds(gpus, this.#look);
    const owes = last > 0 && look < last - 1 && spec.submit <= this.#looks[last - 1]!;
    return owes ? this.#options.startSeconds(gpus, last - 1) : 0;
  }

  #advance(progress: Progress, now: Seconds): void {
    progress.left = leftAt(progress, now);
    progress.at = now;
  }

  #leave(progress: Progress, now: Seconds): void {
    this.#advance(progress, now);
    progress.run = undefined;
    progress.version++;
    this.#running.delete(progress);
  }

  #finish(progress: Progress, at: Seconds): void {
    const { attempt } = progress.run!;
    this.#leave(progress, at);
    this.#options.report({ kind: "finished", at, job: progress.spec.id, attempt });
  }
}

const leftAt = ({ left, at, starting, run }: Progress, now: Seconds): Seconds =>
  run === undefined ? left : Math.max(0, left - Math.max(0, now - at - starting));

/** Who comes too soon after a look is seen a slot after it, unless nobody else is to come. */
function looksOf(submits: readonly Seconds[], slotSeconds: Seconds): readonly Seconds[] {
  const times = [...new Set(submits)].sort((a, b) => a - b);
  const looks: Seconds[] = [];
  for (let i = 0; i < times.length; ) {
    const before = looks.at(-1);
    const at = before === undefined || i === times.length - 1 ? times[i]! : Math.max(times[i]!, before + slotSeconds);
    looks.push(at);
    while (i < times.length && times[i]! <= at) i++;
  }
  return looks;
}

function durationOf({ id, duration }: JobSpec): Seconds {
  if (duration !== undefined) return duration;
  throw new UserError(
    `The trace does not say how long job ${id} runs, so it cannot be simulated.`,
    "Give each job a duration, or a trace whose format has one.",
  );
}
