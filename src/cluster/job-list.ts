/**
 * Jobs in the order in which they came to a list, with removal from anywhere. A linked list, and not a `Map`: a queue of a
 * million jobs that is emptied from the front would be walked over its holes at every decision.
 */
import { Pulled } from "../core/pulled.ts";
import type { JobRecord } from "./job-record.ts";

export class JobList implements Iterable<JobRecord> {
  #first: JobRecord | undefined;
  #last: JobRecord | undefined;
  #appended = 0;
  size = 0;

  append(job: JobRecord): void {
    job.list = this;
    job.turn = this.#appended++;
    job.before = this.#last;
    job.after = undefined;
    if (this.#last === undefined) this.#first = job;
    else this.#last.after = job;
    this.#last = job;
    this.size++;
  }

  remove(job: JobRecord): void {
    if (job.list !== this) return;
    if (job.before === undefined) this.#first = job.after;
    else job.before.after = job.after;
    if (job.after === undefined) this.#last = job.before;
    else job.after.before = job.before;
    job.list = job.before = job.after = undefined;
    this.size--;
  }

  [Symbol.iterator](): Iterator<JobRecord> {
    let last: JobRecord | undefined;
    return new Pulled(() => (last = last === undefined ? this.#first : last.after));
  }
}
