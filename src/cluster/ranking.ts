/**
 * An index for preemptive policies that rank jobs: who waits, by gang size and rank, and who runs, the last in rank first. A decision
 * costs a few heap operations for each size that waits and each job that starts or stops, whatever the number of jobs.
 */
import { Heap } from "../core/heap.ts";
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { listed } from "./job-order.ts";
import { allows, gpusIn, type NodesView } from "./node.ts";
import { runFirst } from "./scheduling.ts";

export interface Ranking {
  /** Lower runs first. It stays the same while a job waits. */
  rank(job: JobView, now: Seconds): number;
  /** Lower first among equal ranks, asked when it begins to wait or to run; the order of submission where it is absent. */
  tie?(job: JobView, now: Seconds, runs: boolean): number;
  /**
   * For a job that runs: a number that stays the same while it does, and orders running jobs as their ranks do at any moment (for
   * example, when a job would end instead of what it has left). `rank` where it is absent.
   */
  whileRunning?(job: JobView, now: Seconds): number;
  /** Whether a running job may lose its GPUs to one that waits; if its rank is higher, where this is absent. */
  yields?(running: JobView, to: JobView, now: Seconds): boolean;
}

interface Entry {
  readonly job: JobView;
  readonly key: number;
  readonly tie: number;
  /** Of submission. */
  readonly order: number;
  /** Stopped in this decision: it has its places until the engine carries that out. */
  readonly victim: boolean;
}

const before = (a: Entry, b: Entry): boolean =>
  a.key !== b.key ? a.key < b.key : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;

export class RankedJobs {
  readonly #ranking: Ranking;
  readonly #waiting = new Map<string, Queue>();
  #running = lastFirst();
  /** The one entry of a job that counts; heaps hold others, which are dropped when they come to the top. */
  readonly #entries = new Map<JobId, Entry>();
  readonly #orders = new Map<JobId, number>();
  #submitted = 0;
  /** Decisions were made without the index, which must be built anew. */
  #stale = false;

  constructor(ranking: Ranking) {
    this.#ranking = ranking;
  }

  /** Whether a job waits that could run; as of the last decision. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Starts waiting jobs by rank. One that does not fit takes the GPUs of running jobs that yield to it, the last in rank first, if
   * that makes enough room; else it is passed over.
   */
  decide(view: ClusterView): Decision {
    this.#sync(view);
    if (view.sized) return this.#sorted(view);
    const room = new Room(view.nodes);
    const start: Start[] = [];
    const stop: JobId[] = [];
    // A size that found no room at some rank finds none at a higher one.
    const full = new Set<Queue>();
    for (;;) {
      const queue = this.#first(full);
      if (queue === undefined) break;
      const { job } = queue.heap.peek()!;
      const victims = this.#victims(job, room, view.now);
      if (victims === undefined) {
        full.add(queue);
        continue;
      }
      queue.heap.pop();
      for (const victim of victims) {
        room.give(victim.job);
        stop.push(victim.job.spec.id);
        this.#wait(victim.job, view.now, true);
      }
      room.take(job);
      start.push({ job: job.spec.id });
      this.#run(job, view.now);
    }
    return withoutReturns(stop, start);
  }

  /** Where sizes change at every decision, there is nothing to keep. */
  #sorted(view: ClusterView): Decision {
    this.#stale = true;
    const entries = [...view.running, ...view.waiting].map((job) =>
      this.#entry(job, this.#ranking.rank(job, view.now), view.now, job.places.length > 0),
    );
    const sorted = entries.sort((a, b) => (before(a, b) ? -1 : 1)).map(({ job }) => job);
    return runFirst(
      view,
      listed(() => sorted),
    );
  }

  #sync({ arrived, ended, requeued, now, sized, running, waiting }: ClusterView): void {
    for (const { spec } of ended) {
      this.#entries.delete(spec.id);
      this.#orders.delete(spec.id);
    }
    if (this.#stale && !sized) {
      this.#stale = false;
      this.#waiting.clear();
      this.#running = lastFirst();
      for (const job of running) this.#run(job, now);
      for (const job of waiting) this.#wait(job, now, false);
      return;
    }
    for (const job of arrived) this.#wait(job, now, false);
    for (const job of requeued) {
      // Others than this policy may have moved it: it has places again.
      if (job.places.length > 0) this.#run(job, now);
      else this.#wait(job, now, false);
    }
  }

  #entry(job: JobView, key: number, now: Seconds, runs: boolean, victim = false): Entry {
    const { id } = job.spec;
    let order = this.#orders.get(id);
    if (order === undefined) {
      order = this.#submitted++;
      this.#orders.set(id, order);
    }
    return { job, key, tie: this.#ranking.tie?.(job, now, runs) ?? 0, order, victim };
  }

  #wait(job: JobView, now: Seconds, victim: boolean): void {
    if (isOver(job)) return;
    const entry = this.#entry(job, this.#ranking.rank(job, now), now, false, victim);
    this.#entries.set(job.spec.id, entry);
    const { gpus, types } = job.spec;
    const size = types === undefined ? String(gpus) : `${gpus} ${types.join(" ")}`;
    let queue = this.#waiting.get(size);
    if (queue === undefined) {
      queue = { size, heap: new Heap(before) };
      this.#waiting.set(size, queue);
    }
    queue.heap.push(entry);
  }

  #run(job: JobView, now: Seconds): void {
    if (isOver(job)) return;
    const key = this.#ranking.whileRunning?.(job, now) ?? this.#ranking.rank(job, now);
    const entry = this.#entry(job, key, now, true);
    this.#entries.set(job.spec.id, entry);
    this.#running.push(entry);
  }

  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.job.spec.id) === entry;
  }

  /** The queue whose first job is the first in rank. */
  #first(full: ReadonlySet<Queue>): Queue | undefined {
    let first: Queue | undefined;
    for (const queue of this.#waiting.values()) {
      if (full.has(queue)) continue;
      const { heap, size } = queue;
      let top = heap.peek();
      for (; top !== undefined && !this.#waits(top); top = heap.peek()) heap.pop();
      if (top === undefined) this.#waiting.delete(size);
      else if (first === undefined || before(top, first.heap.peek()!)) first = queue;
    }
    return first;
  }

  #waits(entry: Entry): boolean {
    return this.#isCurrent(entry) && (entry.victim || entry.job.places.length === 0);
  }

  /** Running jobs that yield to the job, enough of them; `undefined` where there are too few. */
  #victims(job: JobView, room: Room, now: Seconds): Entry[] | undefined {
    const ranking = this.#ranking;
    const victims: Entry[] = [];
    let lacking = job.gpus - room.of(job);
    while (lacking > 0) {
      const last = this.#running.peek();
      if (last === undefined) break;
      if (this.#isCurrent(last)) {
        const gives = ranking.yields?.(last.job, job, now) ?? ranking.rank(last.job, now) > ranking.rank(job, now);
        if (!gives) break;
        victims.push(last);
        lacking -= room.heldFor(job, last.job);
      }
      this.#running.pop();
    }
    if (lacking <= 0) return victims;
    for (const victim of victims) this.#running.push(victim);
    return undefined;
  }
}

/** Jobs that wait for the same number of GPUs of the same types. */
interface Queue {
  readonly size: string;
  readonly heap: Heap<Entry>;
}

const lastFirst = (): Heap<Entry> => new Heap((a, b) => before(b, a));

/** GPUs that are free in the course of a decision, by type where there are several. */
class Room {
  readonly #nodes: NodesView;
  readonly #free: Map<string, number>;
  #all: number;

  constructor(nodes: NodesView) {
    this.#nodes = nodes;
    this.#all = nodes.freeTotal();
    this.#free = new Map(nodes.types.length < 2 ? [] : nodes.types.map((type) => [type, nodes.freeTotal(type)]));
  }

  /** What there is for a job; of all types where it does not mind. */
  of({ spec: { types } }: JobView): number {
    if (types === undefined || this.#free.size === 0) return this.#all;
    return types.reduce((n, type) => n + (this.#free.get(type) ?? 0), 0);
  }

  /** What a running job has that the other could use. */
  heldFor({ spec: { types } }: JobView, { places, gpus }: JobView): number {
    if (places.length === 0) return gpus;
    const useful = places.filter(({ node }) => allows(types, this.#nodes.specs[node]!.type));
    return gpusIn(useful);
  }

  give({ places, gpus }: JobView): void {
    if (places.length === 0) this.#all += gpus;
    for (const share of places) {
      this.#all += share.gpus;
      const { type } = this.#nodes.specs[share.node]!;
      if (this.#free.size > 0) this.#free.set(type, (this.#free.get(type) ?? 0) + share.gpus);
    }
  }

  /** The types that the job is placed on are not known yet: it is taken from the first that have room. */
  take({ gpus, spec: { types } }: JobView): void {
    this.#all -= gpus;
    let left = gpus;
    for (const type of types ?? this.#free.keys()) {
      const part = Math.min(left, this.#free.get(type) ?? 0);
      left -= part;
      if (part > 0) this.#free.set(type, this.#free.get(type)! - part);
    }
  }
}

const isOver = ({ state }: JobView): boolean => state === "finished" || state === "failed" || state === "rejected";

/** A job that was started and stopped again for a later one, or the reverse, in the same decision, goes on as it was. */
function withoutReturns(stop: readonly JobId[], start: readonly Start[]): Decision {
  if (stop.length === 0) return { stop, start };
  const stopped = new Set(stop);
  const both = new Set(start.filter(({ job }) => stopped.has(job)).map(({ job }) => job));
  if (both.size === 0) return { stop, start };
  return { stop: stop.filter((id) => !both.has(id)), start: start.filter(({ job }) => !both.has(job)) };
}
