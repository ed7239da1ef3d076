/** 2D-Gittins: within a queue, the job goes first that is likeliest to end soon, by what finished jobs took in all. */
import { Arrivals } from "../../arrivals.ts";
import { listed } from "../../job-order.ts";
import { runFirst, type Scheduling } from "../../scheduling.ts";

/** Seconds by which a threshold may be missed by rounding. */
const slack = 1e-6;

/**
 * Queue by queue, by falling index; `limits` of service part the queues, the first of them is the quantum. `known` is a distribution to
 * begin with; with `published` nothing is added to it, and the index is that of the authors' simulator.
 */
export function byIndex(limits: readonly number[], known?: readonly number[], published = false): Scheduling {
  const gittins = new Gittins(limits[0]!, known);
  const learns = !published || known === undefined;
  const indexOf = (service: number): number => (published ? gittins.published(service) : gittins.index(service));
  const arrivals = new Arrivals();
  return {
    decide(view) {
      for (const { state, service } of view.ended) if (state === "finished" && learns) gittins.learn(service);
      arrivals.see(view);
      const ranked = arrivals.present(view).map((job) => {
        const { service, gpus } = job;
        const queue = limits.filter((limit) => limit <= service + slack * gpus).length;
        const left = (limits[queue] ?? Number.POSITIVE_INFINITY) - service;
        return { job, queue, index: indexOf(service), crossing: view.now + left / gpus };
      });
      ranked.sort((a, b) => a.queue - b.queue || b.index - a.index);
      const decision = runFirst(
        view,
        listed(() => ranked.map(({ job }) => job)),
      );
      const starts = new Set(decision.start.map(({ job }) => job));
      const stops = new Set(decision.stop);
      // Waking at thresholds only: indices change all the time.
      const wake = ranked
        .filter(({ job }) => starts.has(job.spec.id) || (job.places.length > 0 && !stops.has(job.spec.id)))
        .reduce((first, { crossing }) => Math.min(first, crossing), Number.POSITIVE_INFINITY);
      return wake < Number.POSITIVE_INFINITY ? { ...decision, wake } : decision;
    },
  };
}

class Gittins {
  /** Service of finished jobs, ascending, and its running sums. */
  readonly #took: number[];
  #sums: number[] | undefined;
  readonly #step: number;

  /** `step`: GPU-seconds of the next quantum. `known`: a distribution to begin with. */
  constructor(step: number, known: readonly number[] = []) {
    this.#step = step;
    this.#took = known.toSorted((a, b) => a - b);
  }

  learn(service: number): void {
    this.#took.splice(this.#after(service), 0, service);
    this.#sums = undefined;
  }

  /** Chance to finish within the next quantum over the service expected in it; higher goes first. 0 beyond all that was seen. */
  index(attained: number): number {
    const took = this.#took;
    const from = this.#after(attained);
    const left = took.length - from;
    if (left === 0) return 0;
    const to = this.#after(attained + this.#step);
    this.#sums ??= runningSums(took);
    const within = this.#sums[to]! - this.#sums[from]! - attained * (to - from);
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
    this.#sums ??= runningSums(took);
    const chance = rounded((to - from) / (took.length - from), 5);
    const spent = this.#sums[to]! - this.#sums[from]! + this.#step * (took.length - to);
    return rounded((chance * 1e6) / rounded(spent / (took.length - from), 5), 4);
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

function runningSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return sums;
}

const rounded = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
