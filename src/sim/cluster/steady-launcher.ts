/**
 * A model of what runs jobs: between two events a job goes on at a constant speed, which depends on its size, its nodes and who
 * shares its GPUs. A launch takes time before the job computes, a restart takes more, and leaving takes a checkpoint.
 */

import type { JobId, JobSpec, Outlook, TrainingLoss } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn, type NodeSpec } from "../../cluster/node.ts";
import { UserError } from "../../core/errors.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { sharedSpeed } from "./contention.ts";

/** How fast a job goes: 1 as it was measured alone, so that it ends after its `duration`; 0 where it cannot run. */
export type Speed = (job: JobSpec, gpus: number, nodes: number, type: string, beside: readonly JobSpec[]) => number;

/** The same for every run, or drawn for each. */
export type Cost = Seconds | ((run: Run) => Seconds);

const secondsOf = (cost: Cost = 0, run: Run): Seconds => (typeof cost === "number" ? cost : cost(run));

export interface SteadyOptions {
  /** `linearSpeed` unless given. */
  readonly speed?: Speed;
  /** From the order to launch until the job computes. */
  readonly launchSeconds?: Cost;
  /** More of that where the job resumes from a checkpoint. */
  readonly restartSeconds?: Cost;
  /** From the order to stop until the job has left. */
  readonly stopSeconds?: Cost;
  /** The first of those, until it has heard: it goes on meanwhile. */
  readonly hearSeconds?: Cost;
  /** From the end of its work until the news of it: it holds its GPUs meanwhile. */
  readonly endSeconds?: Cost;
  /** What a job reports after so much of its duration; nothing unless given. */
  readonly loss?: (job: JobSpec, done: Seconds) => TrainingLoss;
  /** Called once for each outcome that the model predicts; a replay takes what the log says instead. */
  readonly report: (event: ClusterEvent) => void;
}

/** Linear in GPUs. Jobs that share them get what their utilisations leave them; an equal part where these are not known. */
export const linearSpeed: Speed = (job, gpus, _nodes, _type, beside) =>
  (job.gpus === 0 ? 1 : gpus / job.gpus) * (beside.length === 0 ? 1 : shareOf([job, ...beside]));

/** The part of its speed alone that each of the jobs has while they share. */
export function shareOf(jobs: readonly JobSpec[]): number {
  const known = jobs.flatMap(({ utilisation }) => utilisation ?? []);
  return known.length === jobs.length ? sharedSpeed(known) : 1 / jobs.length;
}

interface Progress {
  readonly spec: JobSpec;
  /** Seconds alone that are done, as of `at`. */
  done: number;
  at: Seconds;
  speed: number;
  run: Run | undefined;
  /** Those that run on the same GPUs. */
  mates: Set<Progress> | undefined;
  /** When it computes, or computed, for the first time in this run. */
  ready: Seconds;
  /** What the clock calls when it is done, as it was last predicted. Any other prediction is void. */
  ending: (() => void) | undefined;
}

export class SteadyLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #nodes: readonly NodeSpec[];
  readonly #options: SteadyOptions;
  readonly #speed: Speed;
  readonly #jobs = new Map<JobId, Progress>();

  constructor(clock: Clock, nodes: readonly NodeSpec[], options: SteadyOptions) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#options = options;
    this.#speed = options.speed ?? linearSpeed;
  }

  start(run: Run): void {
    const { launchSeconds, restartSeconds } = this.#options;
    const { job, attempt } = run;
    const now = this.#clock.now();
    const progress = this.#progressOf(job, now);
    progress.run = run;
    progress.at = now;
    progress.ready = now + secondsOf(launchSeconds, run) + (attempt > 0 ? secondsOf(restartSeconds, run) : 0);
    for (const id of run.beside) {
      const mate = this.#jobs.get(id);
      if (mate?.run === undefined) continue;
      progress.mates = (progress.mates ?? new Set()).add(mate);
      mate.mates = (mate.mates ?? new Set()).add(progress);
      this.#changeSpeed(mate, now);
    }
    this.#changeSpeed(progress, now);
    if (progress.ready === now) this.#tellStarted(progress, run);
    else this.#startLater(progress, run);
  }

  #startLater(progress: Progress, run: Run): void {
    this.#clock.at(progress.ready, () => {
      if (progress.run === run) this.#tellStarted(progress, run);
    });
  }

  #tellStarted({ ready: at }: Progress, { job, attempt }: Run): void {
    this.#options.report({ kind: "started", at, job: job.id, attempt });
  }

  stop(id: JobId, attempt: number): void {
    const progress = this.#jobs.get(id);
    const run = progress?.run;
    if (progress === undefined || run?.attempt !== attempt) return;
    const { stopSeconds, hearSeconds } = this.#options;
    const now = this.#clock.now();
    const left = now + secondsOf(stopSeconds, run);
    const heard = Math.min(left, now + secondsOf(hearSeconds, run));
    if (left > now) return this.#stopLater(progress, run, heard, left);
    this.#end(progress, now);
    this.#tellStopped(run, now);
  }

  #stopLater(progress: Progress, run: Run, heard: Seconds, left: Seconds): void {
    const leave = (): void => {
      // It may have been done before it heard.
      if (progress.run !== run) return;
      this.#end(progress, heard);
      this.#clock.at(left, () => this.#tellStopped(run, left));
    };
    if (heard === this.#clock.now()) leave();
    else this.#clock.at(heard, leave);
  }

  #tellStopped({ job, attempt }: Run, at: Seconds): void {
    this.#options.report({ kind: "stopped", at, job: job.id, attempt });
  }

  /** Computed when it is read: policies ask for many and look at few of their fields. */
  outlook(spec: JobSpec): Outlook | undefined {
    return spec.duration === undefined ? undefined : new SteadyOutlook(this, spec, spec.duration);
  }

  /** Seconds alone that are done. */
  done({ id }: JobSpec): Seconds {
    const progress = this.#jobs.get(id);
    return progress === undefined ? 0 : this.#doneBy(progress, this.#clock.now());
  }

  loss(spec: JobSpec): TrainingLoss | undefined {
    return this.#options.loss?.(spec, this.done(spec));
  }

  rate(spec: JobSpec, gpus: number, nodes: number, type: string): number {
    return this.#speed(spec, gpus, nodes, type, []);
  }

  rateBeside(spec: JobSpec, other: JobId, gpus: number, type: string): number {
    const mate = this.#jobs.get(other);
    return mate === undefined ? 0 : this.#speed(spec, gpus, 1, type, [mate.spec]);
  }

  #progressOf(spec: JobSpec, now: Seconds): Progress {
    const known = this.#jobs.get(spec.id);
    if (known !== undefined) return known;
    const idle = { done: 0, at: now, speed: 0, run: undefined, mates: undefined, ready: now, ending: undefined };
    const progress: Progress = { spec, ...idle };
    this.#jobs.set(spec.id, progress);
    return progress;
  }

  #doneBy({ spec, done, at, ready, run, speed }: Progress, now: Seconds): Seconds {
    if (run === undefined) return done;
    return Math.min(durationOf(spec), done + speed * Math.max(0, now - Math.max(at, ready)));
  }

  /** The run leaves its GPUs to those that shared them. */
  #end(progress: Progress, now: Seconds): void {
    progress.done = this.#doneBy(progress, now);
    progress.run = undefined;
    this.#forgetEnding(progress);
    const { mates } = progress;
    progress.mates = undefined;
    for (const mate of mates ?? []) {
      mate.mates?.delete(progress);
      this.#changeSpeed(mate, now);
    }
  }

  /** Brings progress up to now, and predicts the end anew. */
  #changeSpeed(progress: Progress, now: Seconds): void {
    const { run, spec } = progress;
    progress.done = this.#doneBy(progress, now);
    progress.at = now;
    this.#forgetEnding(progress);
    if (run === undefined) return;
    const gpus = gpusIn(run.places);
    const type = this.#nodes[run.places[0]!.node]!.type;
    const mates = progress.mates === undefined ? alone : [...progress.mates].map((mate) => mate.spec);
    progress.speed = this.#speed(spec, gpus, run.places.length, type, mates);
    if (!(progress.speed > 0)) return;
    const end = Math.max(now, progress.ready) + Math.max(0, durationOf(spec) - progress.done) / progress.speed;
    progress.ending = this.#ending(progress, end);
    this.#clock.at(end, progress.ending);
  }

  #forgetEnding(progress: Progress): void {
    const { ending } = progress;
    if (ending === undefined) return;
    progress.ending = undefined;
    this.#clock.forget?.(ending);
  }

  #ending(progress: Progress, end: Seconds): () => void {
    const ending = (): void => {
      // A clock may call what it was to forget.
      if (progress.ending !== ending) return;
      progress.ending = undefined;
      const { run, spec } = progress;
      const { attempt } = run!;
      this.#end(progress, end);
      const at = end + secondsOf(this.#options.endSeconds, run!);
      const tell = (): void => {
        this.#jobs.delete(spec.id);
        this.#options.report({ kind: "finished", at, job: spec.id, attempt });
      };
      if (at === end) tell();
      else this.#clock.at(at, tell);
    };
    return ending;
  }
}

class SteadyOutlook implements Outlook {
  readonly #launcher: SteadyLauncher;
  readonly #spec: JobSpec;
  readonly total: Seconds;

  constructor(launcher: SteadyLauncher, spec: JobSpec, total: Seconds) {
    this.#launcher = launcher;
    this.#spec = spec;
    this.total = total;
  }

  get done(): Seconds {
    return this.#launcher.done(this.#spec);
  }

  get utilisation(): number | undefined {
    return this.done > 0 ? this.#spec.utilisation : undefined;
  }

  get loss(): TrainingLoss | undefined {
    return this.#launcher.loss(this.#spec);
  }

  rate(gpus: number, nodes: number, type: string): number {
    return this.#launcher.rate(this.#spec, gpus, nodes, type);
  }

  rateBeside(other: JobId, gpus: number, type: string): number {
    return this.#launcher.rateBeside(this.#spec, other, gpus, type);
  }
}

const alone: readonly JobSpec[] = [];

/** Throws a `UserError` where the trace does not tell. */
export function durationOf({ id, duration }: JobSpec): Seconds {
  if (duration !== undefined) return duration;
  throw new UserError(
    `The trace does not say how long job ${id} runs, so it cannot be simulated.`,
    "Give each job a duration, or a trace whose format has one.",
  );
}
