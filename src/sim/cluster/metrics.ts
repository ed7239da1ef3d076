/** Figures read from a cluster's log, line by line; the engine itself measures nothing. */

import type { JobId, JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { DecisionLine, LogLine } from "../../cluster/log.ts";
import type { NodeSpec, Share } from "../../cluster/node.ts";
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
  /**
   * Finish-time fairness: its JCT over the time it would have taken on its share of the cluster alone. The share is 1/n of all GPUs,
   * n the mean number of jobs that were in the cluster during its life; a job that asks for more GPUs than its share holds takes
   * longer on it by their ratio, and none is faster than its duration (Themis, NSDI 2020, §3.1; Gavel, OSDI 2020, §4.2).
   */
  readonly rho?: number;
  readonly ended?: "finished" | "failed" | "rejected" | "refused";
}

export interface ClusterMetrics {
  readonly jobs: readonly JobOutcome[];
  readonly averageJct: Seconds;
  /** From the first submission to the last end. */
  readonly makespan: Seconds;
  readonly p99Jct: Seconds;
  /** GPU-seconds held over those that there were during the makespan; GPUs that jobs share count once. */
  readonly utilisation: number;
  readonly fairness: {
    readonly mean: number;
    readonly worst: number /** Jobs with ρ above 1.05. */;
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

interface Life {
  readonly spec: JobSpec;
  readonly order: number;
  readonly submitted: Seconds;
  /** Integral over time of the number of jobs in the cluster, at submission. */
  readonly crowdBefore: number;
  crowd: number;
  start?: Seconds;
  end?: Seconds;
  launches: number;
  ran: Seconds;
  ended?: "finished" | "failed" | "rejected" | "refused";
  /** Its place, from the decision until it has left. */
  held: Holding | undefined;
  since: Seconds | undefined;
  planned: Holding | undefined;
}

interface Holding {
  readonly gpus: number;
  present: number;
  since: Seconds;
}

const rowsMax = 4096;

export class ClusterReading {
  readonly #gpus: number;
  readonly #lives = new Map<JobId, Life>();
  #active = 0;
  #crowd = 0;
  #at: Seconds = 0;
  #gpuSeconds = 0;
  #queue: (readonly [Seconds, number, number])[] = [];
  #stride = 1;
  #decisions = 0;

  constructor(nodes: readonly NodeSpec[]) {
    this.#gpus = nodes.reduce((n, { gpus }) => n + gpus, 0);
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
      const { job: spec } = event;
      this.#lives.set(spec.id, {
        ...{ spec, order: this.#lives.size, submitted: at, crowdBefore: this.#crowd, crowd: 0, launches: 0, ran: 0 },
        ...{ held: undefined, planned: undefined, since: undefined },
      });
      this.#active++;
      return;
    }
    if (event.kind === "node-lost" || event.kind === "node-back" || event.kind === "started") return;
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
      life.planned = mate ?? { gpus: on.reduce((n: number, share: Share) => n + share.gpus, 0), present: 0, since: at };
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
    if (held === undefined || since === undefined) return;
    if (--held.present === 0) this.#gpuSeconds += held.gpus * (at - held.since);
    life.ran += at - since;
    life.held = life.since = undefined;
  }

  #concluded(life: Life, how: NonNullable<Life["ended"]>): void {
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
    const done = lives.filter(({ ended }) => ended === "finished");
    const jcts = done.map(({ end, submitted }) => end! - submitted);
    const rhos = done.flatMap((life) => this.#rho(life) ?? []);
    const first = lives.reduce((least, { submitted }) => Math.min(least, submitted), Number.POSITIVE_INFINITY);
    const makespan = done.length === 0 ? 0 : done.reduce((most, { end }) => Math.max(most, end!), 0) - first;
    const timed = lives.filter(({ spec }) => spec.deadline !== undefined);
    return {
      jobs: lives.map((life) => this.#outcome(life)),
      averageJct: mean(jcts) ?? 0,
      makespan,
      p99Jct: quantile(jcts, 0.99) ?? 0,
      utilisation: makespan === 0 ? 0 : this.#gpuSeconds / (this.#gpus * makespan),
      fairness: {
        mean: mean(rhos) ?? 0,
        worst: rhos.reduce((a, b) => Math.max(a, b), 0),
        unfair: rhos.filter((rho) => rho > 1.05).length,
      },
      deadlines: {
        met: timed.filter(({ spec, ended, end }) => ended === "finished" && end! <= spec.deadline!).length,
        of: timed.length,
      },
      restarts: lives.reduce((n, { launches }) => n + Math.max(0, launches - 1), 0),
      finished: done.length,
      tenants: byTenant(done),
      queue: this.#queue,
    };
  }

  #outcome(life: Life): JobOutcome {
    const { spec, submitted, start, end, launches, ran, ended } = life;
    const rho = this.#rho(life);
    return {
      id: spec.id,
      submit: submitted,
      ...(start === undefined ? {} : { start }),
      ...(end === undefined ? {} : { end, jct: end - submitted }),
      restarts: Math.max(0, launches - 1),
      ran,
      ...(rho === undefined ? {} : { rho }),
      ...(ended === undefined ? {} : { ended }),
    };
  }

  #rho({ spec, end, submitted, crowd }: Life): number | undefined {
    if (end === undefined || !spec.duration) return undefined;
    const jct = end - submitted;
    const jobs = jct === 0 ? 1 : Math.max(1, crowd / jct);
    const stretch = Math.max(1, (spec.gpus * jobs) / this.#gpus);
    return jct / (spec.duration * stretch);
  }
}

function byTenant(done: readonly Life[]): ClusterMetrics["tenants"] {
  const jcts = new Map<string, number[]>();
  for (const { spec, submitted, end } of done) {
    const mine = jcts.get(spec.tenant);
    if (mine === undefined) jcts.set(spec.tenant, [end! - submitted]);
    else mine.push(end! - submitted);
  }
  return [...jcts].map(([tenant, of]) => ({ tenant, jobs: of.length, averageJct: mean(of) ?? 0 }));
}

export function clusterMetrics(log: Iterable<LogLine>, nodes: readonly NodeSpec[]): ClusterMetrics {
  const reading = new ClusterReading(nodes);
  for (const line of log) reading.add(line);
  return reading.metrics();
}
