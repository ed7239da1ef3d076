/** What is left of jobs, and which of them run: what models have in common whose jobs wait for a start and then work at some rate. */
import type { JobId, JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent, Run } from "../../cluster/launcher.ts";
import type { Clock, Seconds } from "../../time/clock.ts";

export interface Progress {
  readonly spec: JobSpec;
  /** Of its work, as of `at`. */
  left: number;
  at: Seconds;
  run: Run | undefined;
  /** So much of the time after `at` goes to the start. */
  starting: Seconds;
  /** Predictions of an older version are void. */
  version: number;
}

export interface ProgressParts<P extends Progress> {
  readonly clock: Clock;
  readonly report: (event: ClusterEvent) => void;
  /** All of a job's work. */
  readonly work: (job: JobSpec) => number;
  readonly make: (idle: Progress) => P;
  /** Called while it still runs, as of the time at which it leaves: brings up to date what is left. */
  readonly leaves: (progress: P, at: Seconds) => void;
}

export class ProgressOfJobs<P extends Progress> {
  readonly #parts: ProgressParts<P>;
  readonly #jobs = new Map<JobId, P>();
  /** In the order of their starts. */
  readonly running = new Set<P>();

  constructor(parts: ProgressParts<P>) {
    this.#parts = parts;
  }

  /** Of a job that has run. */
  get(id: JobId): P | undefined {
    return this.#jobs.get(id);
  }

  /** It runs from now on; whoever calls says so with `started`, when the rest is done. */
  begin(run: Run): P {
    const { clock, work, make } = this.#parts;
    const at = clock.now();
    const { job: spec } = run;
    const progress =
      this.#jobs.get(spec.id) ?? make({ spec, left: work(spec), at, run: undefined, starting: 0, version: 0 });
    this.#jobs.set(spec.id, progress);
    progress.run = run;
    progress.at = at;
    this.running.add(progress);
    return progress;
  }

  started({ job, attempt }: Run): void {
    this.#parts.report({ kind: "started", at: this.#parts.clock.now(), job: job.id, attempt });
  }

  /** Does nothing where that attempt does not run. */
  stop(id: JobId, attempt: number): void {
    const progress = this.#jobs.get(id);
    if (progress?.run?.attempt !== attempt) return;
    const at = this.#parts.clock.now();
    this.#leave(progress, at);
    this.#parts.report({ kind: "stopped", at, job: id, attempt });
  }

  /** It is done at `end`, if nothing comes before that; never, where that is no time. */
  predict(progress: P, end: Seconds): void {
    const version = ++progress.version;
    if (!Number.isFinite(end)) return;
    this.#parts.clock.at(end, () => {
      if (progress.version === version) this.finish(progress, end);
    });
  }

  finish(progress: P, at: Seconds): void {
    const { attempt } = progress.run!;
    this.#leave(progress, at);
    progress.left = 0;
    this.#parts.report({ kind: "finished", at, job: progress.spec.id, attempt });
  }

  #leave(progress: P, at: Seconds): void {
    this.#parts.leaves(progress, at);
    progress.run = undefined;
    progress.version++;
    this.running.delete(progress);
  }
}
