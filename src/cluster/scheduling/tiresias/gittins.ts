/** 2D-Gittins: within a queue, the job goes first that is likeliest to end soon, by what finished jobs took in all. */
import { Arrivals } from "../../arrivals.ts";
import type { JobView } from "../../job.ts";
import { listed } from "../../job-order.ts";
import { runFirst, type Scheduling } from "../../scheduling.ts";

/** Seconds by which a threshold may be missed by rounding. */
const slack = 1e-6;

/**
 * Queue by queue, by falling index; `limits` of service part the queues, the first of them is the quantum. The distribution is that of
 * the jobs that have finished, and of an older trace's where there is one; with `published` then of these alone, and the index is that
 * of the authors' simulator.
 */
export function byIndex(limits: readonly number[], published = false): Scheduling {
  const gittins = new Gittins(limits[0]!);
  let learns = true;
  const indexOf = (service: number): number => (published ? gittins.published(service) : gittins.index(service));
  const queueOf = (service: number): number => {
    let queue = 0;
    for (const limit of limits) if (limit <= service) queue++;
    return queue;
  };
  const arrivals = new Arrivals();
  return {
    learn(services) {
      gittins.begin(services);
      learns = !published;
    },
    decide(view) {
      for (const { state, service } of view.ended) if (state === "finished" && learns) gittins.learn(service);
      arrivals.see(view);
      const ranked: Ranked[] = [];
      for (const jobs of [view.running, view.waiting]) {
        for (const job of jobs) {
          const { service, gpus } = job;
          const order = arrivals.order(job);
          const queue = queueOf(service + slack * gpus);
          if (order < Number.POSITIVE_INFINITY) ranked.push({ job, queue, index: indexOf(service), order });
        }
      }
      ranked.sort((a, b) => a.queue - b.queue || b.index - a.index || a.order - b.order);
      const decision = runFirst(
        view,
        listed(() => ranked.map(({ job }) => job)),
      );
      const starts = new Set(decision.start.map(({ job }) => view.job(job)));
      const stops = new Set(decision.stop);
      // Waking at thresholds only: indices change all the time.
      let wake = Number.POSITIVE_INFINITY;
      for (const { job, queue } of ranked) {
        const { spec, places, service, gpus } = job;
        if (!starts.has(job) && (places.length === 0 || stops.has(spec.id))) continue;
        wake = Math.min(wake, view.now + ((limits[queue] ?? Number.POSITIVE_INFINITY) - service) / gpus);
      }
      return wake < Number.POSITIVE_INFINITY ? { ...decision, wake } : decision;
    },
  };
}

interface Ranked {
  readonly job: JobView;
  readonly queue: number;
  readonly index: number;
  readonly order: number;
}

class Gittins {
  /** Service of finished jobs, ascending. */
  #took: number[] = [];
  /** Of the first so many; those up to `#summed` of them hold. */
  #sums = new Float64Array(1024);
  #summed = 0;
  /** By service attained, since the last job was learnt of: most who wait have the same. */
  readonly #indices = new Map<number, number>();
  readonly #step: number;

  /** `step`: GPU-seconds of the next quantum. */
  constructor(step: number) {
    this.#step = step;
  }

  /** Before anything is learnt: the distribution so far. */
  begin(took: readonly number[]): void {
    this.#took = took.toSorted((a, b) => a - b);
  }

  learn(service: number): void {
    const at = this.#after(service);
    this.#took.splice(at, 0, service);
    this.#summed = Math.min(this.#summed, at);
    this.#indices.clear();
  }

  /** Chance to finish within the next quantum over the service expected in it; higher goes first. 0 beyond all that was seen. */
  index(attained: number): number {
    const known = this.#indices.get(attained);
    if (known !== undefined) return known;
    const index = this.#index(attained);
    this.#indices.set(attained, index);
    return index;
  }

  #index(attained: number): number {
    const took = this.#took;
    const from = this.#after(attained);
    const left = took.length - from;
    if (left === 0) return 0;
    const to = this.#after(attained + this.#step);
    const sums = this.#runningSums();
    const within = sums[to]! - sums[from]! - attained * (to - from);
    return (to - from) / (within + this.#step * (took.length - to));
  }

  /**
   * The same as the authors' simulator has it: at the next service that somebody took, of services in whole and not of what is left of
   * them, and rounded.
   */
  published(attained: number): number {
    const took = this.#took;
    const next = took[this.#after(Math.floor(attained))];
    if (next === undefined) return 0;
    const from = this.#after(next - 1);
    const beyond = next - 1 + this.#step;
    const to = beyond > took.at(-1)! - 1 ? took.length - 1 : this.#after(beyond);
    const sums = this.#runningSums();
    const chance = rounded((to - from) / (took.length - from), 5);
    const spent = sums[to]! - sums[from]! + this.#step * (took.length - to);
    return rounded((chance * 1e6) / rounded(spent / (took.length - from), 5), 4);
  }

  #runningSums(): Float64Array {
    const took = this.#took;
    if (took.length >= this.#sums.length) {
      const more = new Float64Array(2 * took.length);
      more.set(this.#sums);
      this.#sums = more;
    }
    const sums = this.#sums;
    for (; this.#summed < took.length; this.#summed++)
      sums[this.#summed + 1] = sums[this.#summed]! + took[this.#summed]!;
    return sums;
  }

  /** How many took no more than that. */
  #after(service: number): number {
    let low = 0;
    let high = this.#took.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#took[middle]! <= service) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const rounded = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
