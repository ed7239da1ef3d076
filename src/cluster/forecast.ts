/** What will be free when: GPUs over future time, as promises to jobs take them. */
import { Steps } from "../core/steps.ts";
import type { Seconds } from "../time/clock.ts";
import type { ClusterView } from "./decision.ts";
import type { JobView } from "./job.ts";
import type { NodesView } from "./node.ts";

/** So many GPUs from one time to another. */
export interface Piece {
  readonly from: Seconds;
  readonly to: Seconds;
  readonly gpus: number;
}

/** What a job still needs, by when, and how fast it goes on the sizes it can have, ascending. */
export interface Need {
  readonly work: number;
  readonly deadline: Seconds;
  readonly sizes: readonly { readonly gpus: number; readonly rate: number }[];
}

export class Forecast {
  readonly #free: Steps;

  constructor(now: Seconds, gpus: number) {
    this.#free = new Steps(now, gpus);
  }

  /**
   * Progressive filling: the smallest size of which as much as is free at each time meets the deadline, and what the job gets then.
   * Undefined where no size does.
   */
  minimumShare(need: Need): readonly Piece[] | undefined {
    for (let largest = 0; largest < need.sizes.length; largest++) {
      const pieces = this.#fill(need, largest);
      if (pieces !== undefined) return pieces;
    }
    return undefined;
  }

  /** The plan that ends first with what is free, whatever the deadline. */
  soonest(need: Need): readonly Piece[] {
    return this.#fill({ ...need, deadline: Number.POSITIVE_INFINITY }, need.sizes.length - 1) ?? [];
  }

  #fill({ work, deadline, sizes }: Need, largest: number): readonly Piece[] | undefined {
    const pieces: Piece[] = [];
    const { times, values } = this.#free;
    let left = work;
    for (const [i, from] of times.entries()) {
      if (from >= deadline) return undefined;
      const size = sizes.findLast(({ gpus }, at) => at <= largest && gpus <= values[i]!);
      if (size === undefined) continue;
      const until = Math.min(times[i + 1] ?? Number.POSITIVE_INFINITY, deadline);
      const end = from + left / size.rate;
      pieces.push({ from, to: Math.min(until, end), gpus: size.gpus });
      // What rounding leaves of the work is less than a second can hold.
      left -= (until - from) * size.rate;
      if (end <= until || left <= 1e-9 * work) return pieces;
    }
    return undefined;
  }

  take(pieces: readonly Piece[]): void {
    for (const { from, to, gpus } of pieces) this.#free.add(from, to, -gpus);
  }
}

/** GPU-seconds of a plan. */
export const gpuSeconds = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { from, to, gpus }) => sum + gpus * (to - from), 0);

/** Powers of two that the job can run on, and how fast it goes there; ascending by GPUs. At least one, the size it asks for. */
export function throughputSizes(nodes: NodesView, { outlook, spec }: JobView): { gpus: number; rate: number }[] {
  const type = spec.types?.[0] ?? nodes.types[0] ?? "";
  const { min = spec.gpus, max = spec.gpus } = spec.range ?? {};
  const sizes: { gpus: number; rate: number }[] = [];
  for (let gpus = 2 ** Math.ceil(Math.log2(Math.max(1, min))); gpus <= Math.min(max, nodes.total()); gpus *= 2) {
    const rate = outlook?.rate(gpus, Math.ceil(gpus / nodes.gpusMax), type) ?? gpus / spec.gpus;
    if (rate > 0) sizes.push({ gpus, rate });
  }
  return sizes.length > 0 ? sizes : [{ gpus: spec.gpus, rate: outlook?.rate(spec.gpus, 1, type) || 1 }];
}

/** What is left of a job, and sizes each of which is faster than those below; part of the time to its deadline is kept back. */
export function needOf({ now, nodes }: ClusterView, job: JobView, reserve: number): Need {
  const { outlook, spec } = job;
  let fastest = 0;
  const sizes = throughputSizes(nodes, job).filter(({ rate }) => {
    if (rate <= fastest) return false;
    fastest = rate;
    return true;
  });
  const total = outlook?.total ?? spec.duration ?? 0;
  const work = Math.max(1e-9, total - (outlook?.done ?? job.ran));
  const deadline =
    spec.deadline === undefined ? Number.POSITIVE_INFINITY : spec.deadline - reserve * (spec.deadline - now);
  return { work, deadline, sizes };
}
