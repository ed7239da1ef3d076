/** Figures read from a cluster's log, line by line; the engine itself measures nothing. */

import type { JobId, JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { DecisionLine, LogLine } from "../../cluster/log.ts";
import { gpusIn, type NodeSpec } from "../../cluster/node.ts";
import { mean, quantile } from "../../core/statistics.ts";
import type { Seconds } from "../../time/clock.ts";

/** What a job got. A job that has not ended lacks `end` and `jct`; one that never ran lacks `start`. */
export interface JobOutcome {
  readonly id: JobId;
  readonly submit: Seconds;
  readonly start?: Seconds;
  readonly end?: Seconds;
  /** Job completion time: from submission to the end, of jobs that finished. */
  readonly jct?: Seconds;
  readonly restarts: number;
  /** Seconds on GPUs. */
  readonly ran: Seconds;
  /** Finish-time fairness, by the reading's `FinishTimeFairness`. */
  readonly rho?: number;
  readonly ended?: "finished" | "failed" | "rejected" | "refused";
}

export interface ClusterMetrics {
  readonly jobs: readonly JobOutcome[];
  /** As `p99Jct`, `makespan` and `utilisation` NaN, `null` in JSON, where no job has finished. */
  readonly averageJct: Seconds;
  /** From the first submission to the last end. */
  readonly makespan: Seconds;
  readonly p99Jct: Seconds;
  /** GPU-seconds held over those that there were during the makespan; GPUs that jobs share count once. */
  readonly utilisation: number;
  /** NaN, `null` in JSON, where no job's ρ is known. */
  readonly fairness: {
    readonly mean: number;
    readonly worst: number;
    /** Jobs with ρ above 1.05. */
    readonly unfair: number;
  };
  readonly deadlines: { readonly met: number; readonly of: number };
  readonly restarts: number;
  readonly finished: number;
  /** Mean JCT by tenant, in the order in which they came. */
  readonly tenants: readonly { readonly tenant: string; readonly jobs: number; readonly averageJct: Seconds }[];
  /** Time, jobs that wait, GPUs that are free; one row where any changes, thinned to at most `rowsMax` rows. */
  readonly queue: readonly (readonly [at: Seconds, waiting: number, free: number])[];
}

/** A job that has ended: `beside` is the mean number of jobs that were in the cluster during its life, itself among them. */
export interface EndedJob {
  readonly spec: JobSpec;
  readonly jct: Seconds;
  readonly beside: number;
  /** Of the whole trace. */
  readonly jobs: number;
  readonly gpus: number;
}

/** ρ: a job's JCT over the time it would have taken on its share of the cluster alone. */
export type FinishTimeFairness = (job: EndedJob) => number | undefined;

/**
 * The share is 1/n of all GPUs, n the jobs beside it; a job that asks for more GPUs than its share holds takes longer on it by their
 * ratio, and none is faster than its duration (Themis, NSDI 2020, §3.1; Gavel, OSDI 2020, §4.2).
 */
const onShareOfLife: FinishTimeFairness = ({ spec, jct, beside, gpus }) =>
  spec.duration ? jct / (spec.duration * Math.max(1, (spec.gpus * beside) / gpus)) : undefined;

class Life {
  readonly spec: JobSpec;
  readonly submitted: Seconds;
  /** Integral over time of the number of jobs in the cluster: at submission, then over its life. */
  readonly crowdBefore: number;
  crowd = 0;
  start: Seconds | undefined;
  end: Seconds | undefined;
  launches = 0;
  ran: Seconds = 0;
  ended: JobOutcome["ended"];
  /** Its place in the plan, and the one that its run holds, since when. */
  planned: Holding | undefined;
  held: Holding | undefined;
  since: Seconds = 0;

  constructor(spec: JobSpec, submitted: Seconds, crowdBefore: number) {
    this.spec = spec;
    this.submitted = submitted;
    this.crowdBefore = crowdBefore;
  }
}

interface Holding {
  readonly gpus: number;
  present: number;
  since: Seconds;
}

const rowsMax = 4096;

export class ClusterReading {
  readonly #gpus: number;
  readonly #fairness: FinishTimeFairness;
  readonly #lives = new Map<JobId, Life>();
  #active = 0;
  #crowd = 0;
  #at: Seconds = 0;
  #gpuSeconds = 0;
  #queue: (readonly [Seconds, number, number])[] = [];
  #stride = 1;
  #decisions = 0;

  constructor(nodes: readonly NodeSpec[], rho: FinishTimeFairness = onShareOfLife) {
    this.#gpus = gpusIn(nodes);
    this.#fairness = rho;
  }

  readonly add = (line: LogLine): void => {
    this.#crowd += this.#active * (line.at - this.#at);
    this.#at = line.at;
    if (line.kind === "event") this.#event(line.event, Math.min(line.event.at, line.at));
    else if (line.kind === "decided") this.#decided(line);
    else if (line.kind === "launched") this.#launched(this.#life(line.job), line.at);
    else this.#concluded(this.#life(line.job), line.kind === "refused" ? "refused" : "failed");
  };

  #event(event: ClusterEvent, at: Seconds): void {
    if (event.kind === "submitted") {
      this.#lives.set(event.job.id, new Life(event.job, at, this.#crowd));
      this.#active++;
      return;
    }
    if (event.kind === "node-lost" || event.kind === "node-back") return;
    if (event.kind === "started" || event.kind === "round") return;
    const life = this.#life(event.job);
    if (event.kind === "cancelled") return this.#concluded(life, "failed");
    this.#left(life, at);
    if (event.kind === "finished") {
      life.end = at;
      this.#concluded(life, "finished");
    }
  }

  #decided({ at, start, stop, reject, waiting, free }: DecisionLine): void {
    for (const id of stop) this.#life(id).planned = undefined;
    for (const { job, on, beside, later } of start) {
      const life = this.#life(job);
      const mate = beside[0] === undefined ? undefined : this.#life(beside[0]).planned;
      life.planned = mate ?? { gpus: gpusIn(on), present: 0, since: at };
      if (!later) this.#launched(life, at);
    }
    for (const id of reject) this.#concluded(this.#life(id), "rejected");
    this.#sample(at, waiting, free);
  }

  #launched(life: Life, at: Seconds): void {
    const holding = life.planned!;
    if (holding.present++ === 0) holding.since = at;
    life.held = holding;
    life.since = at;
    life.start ??= at;
    life.launches++;
  }

  #left(life: Life, at: Seconds): void {
    const { held, since } = life;
    if (held === undefined) return;
    if (--held.present === 0) this.#gpuSeconds += held.gpus * (at - held.since);
    life.ran += at - since;
    life.held = undefined;
  }

  #concluded(life: Life, how: NonNullable<JobOutcome["ended"]>): void {
    if (life.ended !== undefined) return;
    life.ended = how;
    life.crowd = this.#crowd - life.crowdBefore;
    this.#active--;
  }

  #life(id: JobId): Life {
    return this.#lives.get(id)!;
  }

  /** Keeps every `stride`-th row, and twice the stride once there are too many: the curve keeps its shape. */
  #sample(at: Seconds, waiting: number, free: number): void {
    if (this.#decisions++ % this.#stride !== 0) return;
    this.#queue.push([at, waiting, free]);
    if (this.#queue.length < rowsMax) return;
    this.#queue = this.#queue.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  metrics(): ClusterMetrics {
    const lives = [...this.#lives.values()];
    const jobs = lives.map((life) => this.#outcome(life));
    const done = jobs.filter(({ ended }) => ended === "finished");
    const jcts = done.map(({ jct }) => jct!);
    const rhos = done.flatMap(({ rho }) => rho ?? []);
    const first = jobs.reduce((least, { submit }) => Math.min(least, submit), Number.POSITIVE_INFINITY);
    const makespan = done.length === 0 ? Number.NaN : done.reduce((most, { end }) => Math.max(most, end!), 0) - first;
    const timed = lives.filter(({ spec }) => spec.deadline !== undefined);
    return {
      jobs,
      averageJct: mean(jcts) ?? Number.NaN,
      makespan,
      p99Jct: quantile(jcts, 0.99) ?? Number.NaN,
      utilisation: makespan === 0 ? Number.NaN : this.#gpuSeconds / (this.#gpus * makespan),
      fairness: {
        mean: mean(rhos) ?? Number.NaN,
        worst: rhos.length === 0 ? Number.NaN : rhos.reduce((a, b) => Math.max(a, b)),
        unfair: rhos.length === 0 ? Number.NaN : rhos.filter((rho) => rho > 1.05).length,
      },
      deadlines: {
        met: timed.filter(({ spec, ended, end }) => ended === "finished" && end! <= spec.deadline!).length,
        of: timed.length,
      },
      restarts: jobs.reduce((n, { restarts }) => n + restarts, 0),
      finished: done.length,
      tenants: byTenant(lives),
      queue: this.#queue,
    };
  }

  #outcome(life: Life): JobOutcome {
    const { spec, submitted: submit, start, end, launches, ran, ended } = life;
    const rho = this.#rho(life);
    const restarts = Math.max(0, launches - 1);
    // The usual case is one literal: of a million jobs, each is built once.
    if (start !== undefined && end !== undefined && rho !== undefined && ended !== undefined) {
      return { id: spec.id, submit, start, end, jct: end - submit, restarts, ran, rho, ended };
    }
    return {
      ...{ id: spec.id, submit, restarts, ran },
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end, jct: end - submit }),
      ...(rho !== undefined && { rho }),
      ...(ended !== undefined && { ended }),
    };
  }

  #rho({ spec, end, submitted, crowd }: Life): number | undefined {
    if (end === undefined) return undefined;
    const jct = end - submitted;
    const beside = jct === 0 ? 1 : Math.max(1, crowd / jct);
    return this.#fairness({ spec, jct, beside, jobs: this.#lives.size, gpus: this.#gpus });
  }
}

function byTenant(lives: readonly Life[]): ClusterMetrics["tenants"] {
  const tenants = new Map<string, { jobs: number; seconds: Seconds }>();
  for (const { spec, submitted, end } of lives) {
    if (end === undefined) continue;
    const mine = tenants.get(spec.tenant) ?? { jobs: 0, seconds: 0 };
    tenants.set(spec.tenant, mine);
    mine.jobs++;
    mine.seconds += end - submitted;
  }
  return [...tenants].map(([tenant, { jobs, seconds }]) => ({ tenant, jobs, averageJct: seconds / jobs }));
}

export function clusterMetrics(log: Iterable<LogLine>, nodes: readonly NodeSpec[]): ClusterMetrics {
  const reading = new ClusterReading(nodes);
  for (const line of log) reading.add(line);
  return reading.metrics();
}
