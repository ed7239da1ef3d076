/**
 * Tiresias: those that have used least GPU time run first, in a few queues, so that nobody needs to know how long a job will take.
 *
 * What would be a sort of all jobs at each event is kept up instead: heaps say who crosses a threshold next, and the queues who
 * runs (`tiresias/multilevel-queues.ts`). So a decision costs what it changes, times a logarithm.
 */

import type { Values } from "../../core/entry.ts";
import type { Seconds } from "../../time/clock.ts";
import type { ClusterView, Decision } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { type Scheduling, scheduling } from "../scheduling.ts";
import { Crossings } from "./tiresias/crossings.ts";
import { emptied } from "./tiresias/emptied-queues.ts";
import { byIndex } from "./tiresias/gittins.ts";
import { MultilevelQueues, type Queued } from "./tiresias/multilevel-queues.ts";

const options = {
  demote1: { default: 57600, unit: "GPU-seconds", min: 1, help: "service after which a job leaves the first queue" },
  demote2: { default: 0, unit: "GPU-seconds", min: 0, help: "service after which it leaves the second; 0: never" },
  demote3: { default: 0, unit: "GPU-seconds", min: 0, help: "service after which it leaves the third; 0: never" },
  promote: {
    default: 0,
    unit: "of its run time",
    min: 0,
    help: "PROMOTEKNOB: a job that waited so much goes back to the first queue; 0: never",
  },
  startOrder: {
    default: 0,
    unit: "0 or 1",
    min: 0,
    help: "1: in a queue, jobs that run come before those that wait, in the order of their starts",
  },
  emptied: {
    default: 0,
    unit: "0, 1 or 2",
    min: 0,
    help: "1: the cluster, emptied, is given to the first that fit, who move for it; in the order of `startOrder`; 2: those who fall together do so by size, one queue at a time (ElasticFlow's simulator)",
  },
  gittins: {
    default: 0,
    unit: "0, 1 or 2",
    min: 0,
    help: "1: order each queue by the Gittins index over finished jobs; 2: by the published simulator's (dlas-gpu-gittins); over an older trace with --history",
  },
} as const;

type TiresiasOptions = Values<typeof options>;

export default scheduling({
  title: "Tiresias",
  paper: {
    title: "Tiresias: A GPU Cluster Manager for Distributed Deep Learning",
    venue: "NSDI 2019",
    url: "https://www.usenix.org/conference/nsdi19/presentation/gu",
  },
  rows: ["tiresias"],
  idea: "Jobs enter the first of a few queues and fall to the next when their GPUs times seconds cross its threshold; queue by queue, in order of entry, each job that fits runs, and all others are preempted.",
  differs: [
    "By default a queue is ordered by entry and holds two levels split at 16 GPU-hours, as in Pollux's simulation of it; the paper orders by first start (`startOrder`).",
    "By default starving jobs are not promoted, as in both published simulators' defaults; `promote` is the paper's PROMOTEKNOB.",
    "`emptied` packs the cluster anew at each decision, as its own simulator and Muri's do: jobs move where that makes room, and nobody is promoted. There, whether two fall at once may be rounding's choice; here who is within a microsecond falls.",
    "With `gittins` the distribution is that of the jobs that have finished so far, and all jobs are ranked anew at each decision; the paper takes it from an older trace (`--history`). `gittins` 2 is the published simulator's: it counts services in whole, not what is left of them, at the next service of the older trace.",
    "The placement that consolidates only jobs with skewed models is the placement entry `skew-aware`.",
  ],
  options,
  claim: { metric: "averageJct", better: "lower", than: "fifo", on: "full-length", factor: 1.2, where: "sim" },

  create: (values) => tiresias(values),
});

function tiresias(values: TiresiasOptions): Scheduling {
  const limits = [values.demote1, values.demote2, values.demote3].filter((limit) => limit > 0);
  if (values.gittins > 0) return { ...byIndex(limits, values.gittins > 1), falls: limits };
  if (values.emptied > 0) return { ...emptied(limits, { widest: values.emptied > 1 }), falls: limits };
  const policy = new Tiresias(limits, values);
  return { decide: (view) => policy.decide(view), falls: limits };
}

interface Member extends Queued {
  /** Service and run time when it last entered the first queue, and time waited when it first ran after that. */
  serviceBefore: number;
  ranBefore: Seconds;
  waitedBefore: Seconds | undefined;
  /** It holds GPUs, as far as this policy knows. */
  placed: boolean;
}

/** Seconds that a prediction may be early by rounding. */
const slack = 1e-6;

class Tiresias {
  readonly #limits: readonly number[];
  readonly #promote: number;
  readonly #queues: MultilevelQueues;
  readonly #jobs = new Map<JobId, Member>();
  readonly #crossings = new Crossings<Member>();
  #arrivals = 0;
  #sized = false;

  constructor(limits: readonly number[], { promote, startOrder }: TiresiasOptions) {
    this.#limits = limits;
    this.#promote = promote;
    this.#queues = new MultilevelQueues(limits.length + 1, startOrder > 0);
  }

  decide(view: ClusterView): Decision {
    for (const { spec } of view.ended) this.#forget(spec.id);
    for (const job of view.arrived) this.#admit(job);
    this.#meetReality(view);
    const moved = this.#cross(view);
    const settled = this.#queues.settle(view.nodes.total());
    const begun = (settled.start as Member[]).filter((job) => !job.placed);
    const ceased = new Set(settled.stop as Member[]);
    for (const job of moved) if (job.placed && !job.running) ceased.add(job);
    for (const job of ceased) job.placed = false;
    for (const job of begun) job.placed = true;
    for (const job of new Set([...ceased, ...begun, ...moved])) this.#foresee(job, view);
    const wake = this.#crossings.next;
    return {
      stop: [...ceased].map(({ id }) => id),
      start: begun.map(({ id }) => ({ job: id })),
      ...(wake === undefined ? {} : { wake }),
    };
  }

  #admit({ spec, gpus }: JobView): void {
    const job: Member = {
      ...{ id: spec.id, order: this.#arrivals++, gpus, queue: 0, key: 0, version: 0 },
      ...{ running: false, out: gpus === 0 && spec.gpus > 0 },
      ...{ serviceBefore: 0, ranBefore: 0, waitedBefore: undefined, placed: false },
    };
    this.#jobs.set(spec.id, job);
    this.#queues.append(job, 0);
  }

  #forget(id: JobId): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#queues.remove(job);
    this.#jobs.delete(id);
  }

  /** Starts that found no place, lost nodes, and sizes that scaling has changed. */
  #meetReality(view: ClusterView): void {
    const elastic = view.sized || this.#sized;
    this.#sized = view.sized;
    const changed = elastic ? this.#jobs.keys() : view.requeued.map(({ spec }) => spec.id);
    for (const id of changed) {
      const job = this.#jobs.get(id);
      if (job === undefined) continue;
      const { gpus, places, spec } = view.job(id);
      if (gpus !== job.gpus) this.#queues.resize(job, gpus, gpus === 0 && spec.gpus > 0);
      job.placed = places.length > 0;
      if (job.placed || !job.running) continue;
      this.#queues.preempt(job);
      this.#foresee(job, view);
    }
  }

  /** Jobs that change their queues now, in the order of their arrival. */
  #cross(view: ClusterView): readonly Member[] {
    const due: Member[] = [];
    for (let job = this.#crossings.due(view.now); job !== undefined; job = this.#crossings.due(view.now)) {
      // A launch that took its time, or a prediction that was rounded down: not yet.
      if (this.#crossingOf(job, view) > view.now + slack) this.#foresee(job, view);
      else due.push(job);
    }
    for (const job of due.sort((a, b) => a.order - b.order)) {
      if (!job.running) {
        const { service, ran } = view.job(job.id);
        Object.assign(job, { serviceBefore: service, ranBefore: ran, waitedBefore: undefined });
      }
      this.#queues.append(job, job.running ? job.queue + 1 : 0);
    }
    return due;
  }

  #foresee(job: Member, view: ClusterView): void {
    if (job.running && job.waitedBefore === undefined) job.waitedBefore = view.job(job.id).waited;
    const at = this.#crossingOf(job, view);
    if (at < Number.POSITIVE_INFINITY) this.#crossings.push(job, Math.max(at, view.now + slack));
  }

  /** When it falls, if it runs; when it has starved, if it waits. */
  #crossingOf(job: Member, view: ClusterView): Seconds {
    const { service, ran, waited } = view.job(job.id);
    const limit = this.#limits[job.queue];
    if (job.running) {
      if (limit === undefined || job.gpus === 0) return Number.POSITIVE_INFINITY;
      return view.now + Math.max(0, limit - (service - job.serviceBefore)) / job.gpus;
    }
    const executed = ran - job.ranBefore;
    if (this.#promote === 0 || job.queue === 0 || executed === 0) return Number.POSITIVE_INFINITY;
    return view.now + Math.max(0, executed * this.#promote - (waited - job.waitedBefore!));
  }
}
