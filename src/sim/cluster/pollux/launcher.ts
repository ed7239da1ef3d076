/**
 * A modelled launcher of jobs that were profiled, which the engine asks in rounds: the published simulator of Pollux (OSDI 2021).
 *
 *     start, stop ──► TrainingJob ──(settle: a round's seconds)──► finished, at the second of its last epoch
 */

import { splitBatch } from "../../../cluster/goodput.ts";
import type { JobId, JobSpec, Outlook } from "../../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../../cluster/launcher.ts";
import { UserError } from "../../../core/errors.ts";
import type { Clock, Seconds } from "../../../time/clock.ts";
import type { Application } from "./application.ts";
import { TrainingJob } from "./job.ts";

export interface ProfiledOptions {
  readonly applications: ReadonlyMap<string, Application>;
  readonly report: (event: ClusterEvent) => void;
  /** Jobs choose their batch sizes as they go, and measure themselves: `Scaling.adaptsBatch`. */
  readonly adaptive?: boolean;
  readonly restartSeconds?: Seconds;
  /** The part of its speed that a job over several nodes loses where another such job shares one of its nodes. */
  readonly interference?: number;
}

interface Training {
  readonly spec: JobSpec;
  readonly job: TrainingJob;
  run: Run | undefined;
  /** It has been advanced up to here. */
  at: Seconds;
}

export class ProfiledLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: ProfiledOptions;
  readonly #known = new Map<JobId, Training>();
  readonly #running = new Set<Training>();

  constructor(clock: Clock, options: ProfiledOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  start(run: Run): void {
    const { id } = run.job;
    const training = this.#trainingOf(run.job);
    training.run = run;
    training.at = this.#clock.now();
    training.job.start(run.places.map(({ gpus }) => gpus));
    this.#running.add(training);
    this.#options.report({ kind: "started", at: training.at, job: id, attempt: run.attempt });
  }

  stop(id: JobId, attempt: number): void {
    const training = this.#known.get(id);
    if (training?.run?.attempt !== attempt) return;
    const now = this.#clock.now();
    this.#advance(training, now, 0);
    if (training.run === undefined) return;
    this.#leave(training);
    this.#options.report({ kind: "stopped", at: now, job: id, attempt });
  }

  settle(now: Seconds): void {
    const { interference = 0 } = this.#options;
    const crowded = interference === 0 ? undefined : this.#crowdedNodes();
    for (const training of [...this.#running]) {
      const { places } = training.run!;
      const slow = crowded !== undefined && places.length > 1 && places.some(({ node }) => crowded.has(node));
      this.#advance(training, now, slow ? interference : 0);
    }
  }

  outlook(spec: JobSpec): Outlook | undefined {
    if (!this.#options.applications.has(spec.model ?? "")) return undefined;
    const { job } = this.#trainingOf(spec);
    return this.#options.adaptive || spec.batch === undefined ? exploring(job) : tuned(job, spec.batch);
  }

  #trainingOf(spec: JobSpec): Training {
    const known = this.#known.get(spec.id);
    if (known !== undefined) return known;
    const application = this.#options.applications.get(spec.model ?? "");
    if (application === undefined) {
      const names = [...this.#options.applications.keys()].join(", ");
      throw new UserError(
        `Job ${spec.id} trains "${spec.model}", of which there is no profile.`,
        `There are: ${names}.`,
      );
    }
    const { restartSeconds = 30, adaptive = false } = this.#options;
    const batch = this.#batchOf(spec, application);
    const job = new TrainingJob(application, { batch, restartSeconds, observed: adaptive || batch === undefined });
    const training = { spec, job, run: undefined, at: 0 };
    this.#known.set(spec.id, training);
    return training;
  }

  /** Examples a step, where they are fixed. */
  #batchOf(spec: JobSpec, { limits }: Application): number | undefined {
    return this.#options.adaptive ? limits.batch : spec.batch;
  }

  #advance(training: Training, now: Seconds, slowdown: number): void {
    const after = training.job.advance(now - training.at, slowdown);
    const at = training.at + (after ?? 0);
    training.at = now;
    if (after === undefined) return;
    const { attempt } = training.run!;
    this.#leave(training);
    this.#options.report({ kind: "finished", at, job: training.spec.id, attempt });
  }

  #leave(training: Training): void {
    training.job.stop();
    training.run = undefined;
    this.#running.delete(training);
  }

  /** Nodes with two or more jobs that also run elsewhere. */
  #crowdedNodes(): ReadonlySet<number> {
    const once = new Set<number>();
    const crowded = new Set<number>();
    for (const { run } of this.#running) {
      if (run!.places.length === 1) continue;
      for (const { node } of run!.places) (once.has(node) ? crowded : once).add(node);
    }
    return crowded;
  }
}

/** An oracle of a job with a fixed batch size: iterations left, and how long one takes by the profile. */
function tuned({ application, epoch }: TrainingJob, batch: number): Outlook {
  const last = application.epochs - 1;
  const total = application.iterations(batch, last);
  return {
    // The published oracle counts the present epoch as done, and the last as one iteration.
    done: last <= epoch ? total - 1 : application.iterations(batch, epoch),
    total,
    gpusMax: application.limits.gpusMax ?? Math.floor(batch / application.localBatchMin),
    rate: (gpus, nodes) => iterationRate(application, batch, gpus, nodes),
  };
}

/** Iterations a second; 0 where nobody measured it. */
function iterationRate(application: Application, batch: number, gpus: number, nodes: number): number {
  const plan = splitBatch(batch, gpus, application);
  let { localBatch, accumulation } = plan;
  if (gpus === 1 && accumulation === 0) {
    // One GPU accumulates in the published oracle, whatever the batch size.
    accumulation = 1;
    localBatch = Math.ceil(Math.ceil(batch - 1e-8) / 2 - 1e-8);
  }
  const time = application.profiledTime(packed(gpus, nodes), localBatch);
  return time === undefined ? 0 : 1 / (time.step + (time.step - time.sync) * accumulation);
}

/** Full nodes first, as evenly as that leaves. */
function packed(gpus: number, nodes: number): number[] {
  const perNode = Math.max(4, Math.ceil(gpus / nodes));
  const placement: number[] = [];
  for (let left = gpus; left > 0; ) {
    const on = Math.max(1, Math.min(perNode, left - (nodes - placement.length - 1)));
    placement.push(on);
    left -= on;
  }
  return placement;
}

/** What a job says of itself that chooses its own batch size. */
function exploring(job: TrainingJob): Outlook {
  const { application, progress, gpusSeen } = job;
  const most = Math.min(64, Math.floor(application.batchMax / application.localBatchMin));
  const expected = (gpus: number, nodes: number): number =>
    (job.expected(nodes, gpus)?.goodput ?? 0) / application.batchFirst;
  return {
    done: progress,
    total: application.progress(application.epochs),
    gpusMax: Math.min(application.limits.gpusMax ?? most, most, Math.max(1, 2 * gpusSeen)),
    rate: expected,
    ...(gpusSeen === 0 ? {} : { goodput: expected }),
  };
}
