/** When jobs are due to change their queues; predictions that were made before a job last changed are void. */
import { Heap } from "../../../core/heap.ts";
import type { Seconds } from "../../../time/clock.ts";

interface Prediction<J> {
  readonly at: Seconds;
  readonly job: J;
  readonly version: number;
}

export class Crossings<J extends { readonly version: number }> {
  readonly #heap = new Heap<Prediction<J>>((a, b) => a.at < b.at);

  push(job: J, at: Seconds): void {
    this.#heap.push({ at, job, version: job.version });
  }

  /** The time of the next. */
  get next(): Seconds | undefined {
    return this.#first()?.at;
  }

  /** Takes out the next, if it is due. */
  due(now: Seconds): J | undefined {
    const first = this.#first();
    return first === undefined || first.at > now ? undefined : this.#heap.pop()!.job;
  }

  #first(): Prediction<J> | undefined {
    let first = this.#heap.peek();
    while (first !== undefined && first.version !== first.job.version) {
      this.#heap.pop();
      first = this.#heap.peek();
    }
    return first;
  }
}
