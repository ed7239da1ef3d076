/**
 * Jobs in queues of falling priority, and who of them runs: from the head of the first queue to the tail of the last, each job
 * that fits into what those before it leave. Kept from one decision to the next, so that a decision costs what changes.
 *
 * A running job that no longer fits is the first whose running predecessors and itself hold more than there is; the only waiting jobs
 * that may start are the first of each size. Both are found in O(sizes · log jobs), and the earlier of them is settled first:
 * nothing behind it can change that.
 */
import { assert } from "../../../core/errors.ts";
import { Heap } from "../../../core/heap.ts";
import type { JobId } from "../../job.ts";
import { PrefixSums } from "./prefix-sums.ts";

export interface Queued {
  readonly id: JobId;
  /** Of all jobs, by arrival. */
  readonly order: number;
  gpus: number;
  queue: number;
  /** Place in the queue. */
  key: number;
  running: boolean;
  /** Scaling gives it nothing now: it neither runs nor waits to. */
  out: boolean;
  /** Entries of heaps that were made before this are void. */
  version: number;
}

interface Entry {
  readonly job: Queued;
  readonly queue: number;
  readonly key: number;
  readonly version: number;
}

export class MultilevelQueues {
  /** GPUs of running jobs by key, a queue each. */
  readonly #held: readonly PrefixSums<Queued>[];
  /** Waiting jobs by size. */
  readonly #waiting = new Map<number, Heap<Entry>>();
  readonly #runningFirst: boolean;
  readonly #front: number[];
  readonly #back: number[];

  /** With `runningFirst`, the running jobs of a queue stand before those that wait, by when they started. */
  constructor(queues: number, runningFirst: boolean) {
    this.#held = Array.from({ length: queues }, () => new PrefixSums<Queued>());
    this.#runningFirst = runningFirst;
    this.#front = Array.from({ length: queues }, () => 0);
    this.#back = Array.from({ length: queues }, () => 0);
  }

  /** To the tail of a queue; a job that runs goes on, as far as it still fits there. */
  append(job: Queued, queue: number): void {
    if (job.running) this.#held[job.queue]!.remove(job.key);
    job.queue = queue;
    job.version++;
    if (job.running && !this.#runningFirst) job.key = this.#held[queue]!.append(job, job.gpus);
    else {
      // Behind those that wait, and beside nobody until it is known whether it fits.
      job.key = this.#runningFirst ? this.#back[queue]!++ : this.#held[queue]!.append(job, 0);
      job.running = false;
      this.#offer(job);
    }
  }

  /** It is given another size now, or nothing (`out`). */
  resize(job: Queued, gpus: number, out: boolean): void {
    job.version++;
    job.gpus = gpus;
    job.out = out;
    if (!job.running) this.#offer(job);
    else if (out) this.#leaveGpus(job);
    else this.#held[job.queue]!.set(job.key, gpus);
  }

  remove(job: Queued): void {
    if (job.running || !this.#runningFirst) this.#held[job.queue]!.remove(job.key);
    job.running = false;
    job.version++;
  }

  /** It runs no longer, and waits where it stands. */
  preempt(job: Queued): void {
    this.#leaveGpus(job);
    this.#offer(job);
  }

  #leaveGpus(job: Queued): void {
    job.running = false;
    job.version++;
    const held = this.#held[job.queue]!;
    if (this.#runningFirst) {
      held.remove(job.key);
      job.key = --this.#front[job.queue]!;
    } else held.set(job.key, 0);
  }

  /** Who runs now on `total` GPUs: jobs that begin to and that cease to, from the first to the last. */
  settle(total: number): { readonly start: Queued[]; readonly stop: Queued[] } {
    const start: Queued[] = [];
    const stop: Queued[] = [];
    for (;;) {
      const next = this.#firstThatFits(total);
      const over = this.#firstThatDoesNot(total);
      if (next === undefined && over === undefined) break;
      if (over === undefined || (next !== undefined && before(next, over))) {
        this.#begin(next!);
        start.push(next!);
      } else {
        this.preempt(over);
        stop.push(over);
      }
    }
    return { start, stop };
  }

  #begin(job: Queued): void {
    job.running = true;
    job.version++;
    const held = this.#held[job.queue]!;
    if (this.#runningFirst) job.key = held.append(job, job.gpus);
    else held.set(job.key, job.gpus);
  }

  #offer(job: Queued): void {
    if (job.out) return;
    let heap = this.#waiting.get(job.gpus);
    if (heap === undefined) {
      heap = new Heap<Entry>(before);
      this.#waiting.set(job.gpus, heap);
    }
    heap.push({ job, queue: job.queue, key: job.key, version: job.version });
  }

  #firstThatFits(total: number): Queued | undefined {
    let first: Entry | undefined;
    for (const [gpus, heap] of this.#waiting) {
      for (let head = heap.peek(); head !== undefined && head.version !== head.job.version; head = heap.peek())
        heap.pop();
      const head = heap.peek();
      if (head === undefined) continue;
      if (first !== undefined && before(first, head)) continue;
      if (gpus <= total - this.#heldBefore(head)) first = head;
    }
    return first?.job;
  }

  #heldBefore({ queue, key }: Entry): number {
    let sum = 0;
    for (let q = 0; q < queue; q++) sum += this.#held[q]!.total;
    return sum + (this.#runningFirst ? this.#held[queue]!.total : this.#held[queue]!.before(key));
  }

  #firstThatDoesNot(total: number): Queued | undefined {
    let left = total;
    for (const held of this.#held) {
      if (held.total > left) {
        const job = held.firstAbove(left);
        assert(job?.running === true, () => "the first job that does not fit is not running");
        return job;
      }
      left -= held.total;
    }
    return undefined;
  }
}

const before = (a: { queue: number; key: number }, b: { queue: number; key: number }): boolean =>
  a.queue === b.queue ? a.key < b.key : a.queue < b.queue;
