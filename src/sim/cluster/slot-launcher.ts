/**
 * What ElasticFlow's published simulator takes for running jobs: each holds its GPUs to the end of a slot, slots being counted from
 * the last decision; every decision costs everybody a start, less where the same GPUs ran a job before; and the controller starts
 * anew after every so many decisions.
 */

import type { JobId, JobSpec, Outlook } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../cluster/launcher.ts";
import { gpusIn } from "../../cluster/node.ts";
import type { PlannedEnd } from "../../cluster/scaling.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { type Progress, ProgressOfJobs } from "./progress.ts";
import { iterationsOf } from "./turns-launcher.ts";

export interface SlotOptions {
  readonly report: (event: ClusterEvent) => void;
  /** Iterations a second; 0 where it cannot run. */
  readonly rate: (job: JobSpec, gpus: number) => number;
  readonly slotSeconds: Seconds;
  /** From launch to the first iteration, where a group of processes is known, and where it has to be set up. */
  readonly startSeconds: (gpus: number, known: boolean) => Seconds;
  /** When the policy planned a job to end: it does not work after that, though its start made it later. */
  readonly plannedEnd?: (job: JobId) => PlannedEnd | undefined;
  /** The controller forgets all groups after so many decisions; those that are new then wait for it besides. */
  readonly controller: { readonly decisions: number; readonly seconds: Seconds };
}

interface Slotted extends Progress {
  rate: number;
}

export class SlotLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: SlotOptions;
  readonly #jobs: ProgressOfJobs<Slotted>;
  /** Groups of GPUs that have run a job. */
  readonly #groups = new Set<string>();
  #decisions = 0;

  constructor(clock: Clock, options: SlotOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new ProgressOfJobs({
      ...{ clock, report: options.report, work: iterationsOf },
      make: (idle) => ({ ...idle, rate: 0 }),
      leaves: (progress, at) => this.#advance(progress, at),
    });
  }

  start(run: Run): void {
    this.#jobs.begin(run).rate = this.#options.rate(run.job, gpusIn(run.places));
    this.#jobs.started(run);
  }

  stop(id: JobId, attempt: number): void {
    this.#jobs.stop(id, attempt);
  }

  settle(now: Seconds): void {
    if (this.#isAnew()) this.#groups.clear();
    this.#decisions++;
    for (const progress of [...this.#jobs.running]) {
      if (this.#leftAt(progress, now) === 0) {
        this.#jobs.finish(progress, progress.at + Math.ceil(progress.left / progress.rate));
        continue;
      }
      this.#advance(progress, now);
    }
    // When what is decided now has been started and stopped.
    this.#clock.at(now, () => this.#beginAll());
  }

  outlook(spec: JobSpec): Outlook {
    const total = iterationsOf(spec);
    const progress = this.#jobs.get(spec.id);
    return {
      done: progress === undefined ? 0 : total - this.#leftAt(progress, this.#clock.now()),
      total,
      rate: (gpus) => this.#options.rate(spec, gpus),
    };
  }

  #leftAt({ spec, left, at, starting, rate, run }: Slotted, now: Seconds): number {
    if (run === undefined) return left;
    const until = Math.min(now, this.#options.plannedEnd?.(spec.id)?.work ?? now);
    return Math.max(0, left - Math.max(0, until - at - starting) * rate);
  }

  #advance(progress: Slotted, now: Seconds): void {
    progress.left = this.#leftAt(progress, now);
    progress.at = now;
  }

  /** Whether the controller has just started anew. */
  #isAnew(): boolean {
    const before = this.#decisions - 1;
    return before > 0 && before % this.#options.controller.decisions === 0;
  }

  /** Groups are of the same GPUs; of equally many on the same nodes, where nobody says which. */
  #beginAll(): void {
    for (const progress of this.#jobs.running) {
      const group = progress.run!.places.map(({ node, gpus, devices }) => `${node}:${devices ?? gpus}`);
      this.#begin(progress, group.join(" "));
    }
  }

  /** It waits for its start, and then runs to the end of its last slot, if nothing is decided before. */
  #begin(progress: Slotted, group: string): void {
    const { slotSeconds, startSeconds, controller, plannedEnd } = this.#options;
    const known = this.#groups.has(group);
    this.#groups.add(group);
    progress.starting =
      startSeconds(gpusIn(progress.run!.places), known) + (!known && this.#isAnew() ? controller.seconds : 0);
    const slots = Math.ceil(Math.ceil(progress.left / progress.rate) / slotSeconds);
    const end = plannedEnd?.(progress.spec.id)?.slot ?? progress.at + slots * slotSeconds;
    this.#jobs.predict(progress, end + progress.starting);
  }
}
