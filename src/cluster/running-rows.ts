/**
 * What a policy knows of each job that runs, followed from decision to decision: who goes on stands in the order in which it stood,
 * and whoever started since comes after, so nobody has to be looked up.
 */
import type { JobView } from "./job.ts";

interface Row {
  readonly job: JobView;
}

export class RunningRows<R extends Row> {
  readonly #make: (job: JobView) => R;
  #rows: R[] = [];
  #before: R[] = [];

  /** `make` is called for who has started, or started again, since the rows were asked for the last time. */
  constructor(make: (job: JobView) => R) {
    this.#make = make;
  }

  /** Of those that run, in the order of their starts; valid until the next call. */
  of(running: Iterable<JobView>): readonly R[] {
    const before = this.#rows;
    const rows = this.#before;
    rows.length = 0;
    let next = 0;
    for (const job of running) {
      while (next < before.length && before[next]!.job !== job) next++;
      rows.push(before[next] ?? this.#make(job));
      next++;
    }
    this.#before = before;
    this.#rows = rows;
    return rows;
  }
}
