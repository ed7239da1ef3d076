/** Orders of jobs that are walked no farther than somebody looks, and past all jobs of which none is wanted any more. */
import type { JobView } from "./job.ts";

export interface JobOrder extends Iterable<JobView> {
  /** The first first, but none that is in `full`, which may grow while this is walked. */
  without(full: Kinds): Iterable<JobView>;
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
  orderOf(function* (full) {
    for (const job of jobs()) if (!full.has(job)) yield job;
  });

export const oneAfterAnother = (...orders: readonly JobOrder[]): JobOrder =>
  orderOf(function* (full) {
    for (const order of orders) yield* order.without(full);
  });

export const only = (order: JobOrder, isWanted: (job: JobView) => boolean): JobOrder =>
  orderOf(function* (full) {
    for (const job of order.without(full)) if (isWanted(job)) yield job;
  });
