/** Orders of jobs that are walked no farther than somebody looks, and past all jobs of which none is wanted any more. */
import { Pulled, pullOf } from "../core/pulled.ts";
import type { JobView } from "./job.ts";

export interface JobOrder extends Iterable<JobView> {
  /** The first first, but none that is in `full`, which may grow while this is walked. */
  without(full: Kinds): Iterable<JobView>;
  /** By which jobs stand in this order: the same for equals. Absent where nobody told. */
  readonly rank?: (job: JobView) => number;
}

/** Jobs that ask for as many GPUs, of the same types: where one finds no room, none of them does. */
export class Kinds {
  readonly #sizes = new Set<number>();
  readonly #typed = new Set<string>();

  /** Where a job finds no room that may run on any type, neither does one of its size that minds. */
  add({ gpus, spec: { types } }: JobView): void {
    if (types === undefined) this.#sizes.add(gpus);
    else this.#typed.add(`${gpus} ${types.join(" ")}`);
  }

  has({ gpus, spec: { types } }: JobView): boolean {
    if (this.#sizes.has(gpus)) return true;
    return types !== undefined && this.#typed.size > 0 && this.#typed.has(`${gpus} ${types.join(" ")}`);
  }
}

/** An order from what walks it. */
export const orderOf = (without: (full: Kinds) => Iterable<JobView>): JobOrder => ({
  without,
  [Symbol.iterator]: () => without(new Kinds())[Symbol.iterator](),
});

/** Jobs of a list, which is asked for when somebody looks. */
export const listed = (jobs: () => Iterable<JobView>): JobOrder =>
  orderOf((full) => {
    let pull: (() => JobView | undefined) | undefined;
    return new Pulled(() => {
      pull ??= pullOf(jobs());
      let job = pull();
      while (job !== undefined && full.has(job)) job = pull();
      return job;
    });
  });

export const oneAfterAnother = (...orders: readonly JobOrder[]): JobOrder =>
  orderOf((full) => {
    let [at, pull]: [number, (() => JobView | undefined) | undefined] = [0, undefined];
    return new Pulled(() => {
      for (; at < orders.length; at++, pull = undefined) {
        pull ??= pullOf(orders[at]!.without(full));
        const job = pull();
        if (job !== undefined) return job;
      }
      return undefined;
    });
  });

export const only = (order: JobOrder, isWanted: (job: JobView) => boolean): JobOrder =>
  orderOf((full) => {
    const pull = pullOf(order.without(full));
    return new Pulled(() => {
      let job = pull();
      while (job !== undefined && !isWanted(job)) job = pull();
      return job;
    });
  });
