/**
 * What a scheduler knows that watches jobs instead of asking an oracle: their losses and speeds as it saw them, and what they foretell
 * (Optimus, EuroSys 2018, §3).
 *
 *     first sight: speeds of a few sizes, by short runs ──► each decision: loss, and work since the last ──► seconds left, by GPUs
 */

import type { Seconds } from "../time/clock.ts";
import { convergesAt, fitLoss, fitSpeed, type LossPoint, type SpeedModel } from "./convergence.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView, Outlook } from "./job.ts";
import { gpusIn } from "./node.ts";

interface Watched {
  points: LossPoint[];
  /** Units of work a second, as last seen, by GPUs. */
  readonly rates: Map<number, number>;
  /** When it was last seen computing, what it had done then, and the start that it computed since. */
  seen: { readonly at: Seconds; readonly done: number; readonly start: Seconds | undefined } | undefined;
  /** By the rates; "unknown" until somebody asks for it since they changed. */
  speed: SpeedModel | undefined | "unknown";
  /** Work in whole as it was foretold from so many points. */
  total: number | undefined;
  foretoldFrom: number;
}

const pointsMax = 64;

export class ObservedProgress {
  readonly #samples: number;
  readonly #jobs = new Map<JobId, Watched>();
  /** Jobs that were stopped, and may not have saved all that they did yet. */
  readonly #leaving = new Set<JobView>();
  #usualWork: number | undefined;

  /** `samples`: sizes that are tried before a job runs, powers of two from 1. */
  constructor(samples: number) {
    this.#samples = samples;
  }

  /** To be called at each decision. Of jobs that wait there is nothing to see but when they come and when they have stopped. */
  see(view: ClusterView): void {
    for (const { spec } of view.ended) this.#jobs.delete(spec.id);
    for (const job of view.requeued) this.#leaving.add(job);
    for (const job of view.arrived) this.#look(view, job);
    for (const job of this.#leaving) {
      this.#look(view, job);
      if (job.state !== "stopping") this.#leaving.delete(job);
    }
    for (const job of view.running) this.#look(view, job);
    this.#usualWork = undefined;
  }

  #look(view: ClusterView, job: JobView): void {
    const { outlook, state } = job;
    if (outlook === undefined || state === "finished" || state === "failed" || state === "rejected") return;
    const watched = this.#jobs.get(job.spec.id) ?? this.#firstSight(view, job, outlook);
    watchSpeed(watched, job, outlook, view.now);
    watchLoss(watched, outlook);
  }

  /** A function of GPUs: the seconds that are left, on as few nodes as hold them. */
  remaining({ spec, outlook }: JobView): (gpus: number) => Seconds {
    const watched = this.#jobs.get(spec.id);
    if (watched === undefined || outlook === undefined) return () => 0;
    if (watched.speed === "unknown") watched.speed = speedOf(watched.rates);
    const { speed } = watched;
    if (speed === undefined) return () => 0;
    // A job that has passed its end goes on for a little, as far as anybody knows.
    this.#usualWork ??= this.#usual();
    const total = watched.total ?? Math.max(this.#usualWork, outlook.done);
    const left = Math.max(total - outlook.done, 0.01 * total);
    return (gpus) => left / speed(gpus);
  }

  /** Work of a job of which nothing is known yet: the mean of those that are. */
  #usual(): number {
    const known = [...this.#jobs.values()].flatMap(({ total }) => total ?? []);
    return known.length === 0 ? 1 : known.reduce((sum, total) => sum + total, 0) / known.length;
  }

  #firstSight({ nodes }: ClusterView, { spec }: JobView, outlook: Outlook): Watched {
    const rates = new Map<number, number>();
    const most = outlook.gpusMax ?? spec.range?.max ?? spec.gpus;
    const type = spec.types?.[0] ?? nodes.types[0]!;
    for (let i = 0; i < this.#samples && 2 ** i <= Math.max(1, most); i++) {
      rates.set(2 ** i, outlook.rate(2 ** i, Math.ceil(2 ** i / nodes.gpusMax), type));
    }
    const unseen = { seen: undefined, speed: "unknown", total: undefined, foretoldFrom: 0 } as const;
    const watched: Watched = { points: [], rates, ...unseen };
    this.#jobs.set(spec.id, watched);
    return watched;
  }
}

const speedOf = (rates: ReadonlyMap<number, number>): SpeedModel | undefined =>
  fitSpeed([...rates].map(([gpus, rate]) => ({ gpus, rate })));

function watchSpeed(watched: Watched, job: JobView, { done }: Outlook, now: Seconds): void {
  const { seen } = watched;
  const start = job.startedAt;
  const computing = job.state === "running";
  watched.seen = computing ? { at: now, done, start } : undefined;
  if (!computing || seen === undefined || seen.start !== start || !(now > seen.at && done > seen.done)) return;
  const gpus = gpusIn(job.places);
  const rate = (done - seen.done) / (now - seen.at);
  if (watched.rates.get(gpus) === rate) return;
  watched.rates.set(gpus, rate);
  watched.speed = "unknown";
}

function watchLoss(watched: Watched, { done, loss }: Outlook): void {
  if (loss === undefined || done <= (watched.points.at(-1)?.done ?? 0)) return;
  watched.points.push({ done, loss: loss.value });
  if (watched.points.length > pointsMax) watched.points = watched.points.filter((_, i) => i % 2 === 1);
  // A few points more tell little.
  const count = watched.points.length;
  if (count < watched.foretoldFrom * 1.2 && count > watched.foretoldFrom / 1.5) return;
  watched.foretoldFrom = count;
  const curve = fitLoss(watched.points);
  if (curve !== undefined) watched.total = convergesAt(curve, loss.slope);
}
