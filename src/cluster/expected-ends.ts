/** When running jobs should end, and what can be promised of that to one that waits: what backfill needs. */
import { SortedList } from "../core/sorted-list.ts";
import type { Seconds } from "../time/clock.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";

/** GPUs kept for a job from the moment when it can start. */
export class Reservation {
  readonly #at: Seconds;
  #extra: number;

  /** `extra`: GPUs that it leaves free then. */
  constructor(at: Seconds, extra: number) {
    this.#at = at;
    this.#extra = extra;
  }

  allows({ gpus }: JobView, end: Seconds): boolean {
    if (end <= this.#at) return true;
    if (gpus > this.#extra) return false;
    this.#extra -= gpus;
    return true;
  }
}

interface End {
  readonly id: JobId;
  readonly at: Seconds;
  readonly gpus: number;
}

/** Running jobs by when they should end. */
export class ExpectedEnds {
  readonly #limit: (job: JobView) => Seconds;
  readonly #ends = new SortedList<End>((a, b) => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  readonly #byId = new Map<JobId, End>();

  constructor(limit: (job: JobView) => Seconds) {
    this.#limit = limit;
  }

  sync({ ended, requeued, now }: ClusterView): void {
    for (const { spec } of ended) this.#remove(spec.id);
    for (const job of requeued) {
      this.#remove(job.spec.id);
      if (job.places.length > 0) this.add(job, now);
    }
  }

  add(job: JobView, now: Seconds): void {
    const end = { id: job.spec.id, at: now + this.#limit(job), gpus: job.gpus };
    this.#byId.set(end.id, end);
    this.#ends.add(end);
  }

  /** When enough will be free for the job, if all that runs ends as it should. */
  reservation({ gpus }: JobView, free: number, now: Seconds): Reservation {
    let room = free;
    for (const end of this.#ends) {
      room += end.gpus;
      if (room >= gpus) return new Reservation(Math.max(now, end.at), room - gpus);
    }
    return new Reservation(Number.POSITIVE_INFINITY, 0);
  }

  #remove(id: JobId): void {
    const end = this.#byId.get(id);
    if (end === undefined) return;
    this.#byId.delete(id);
    this.#ends.delete(end);
  }
}
