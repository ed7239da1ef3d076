/** Who waits, by length and in the order in which they began to: what AFS needs in order not to compare all of them. */
import { LeastOfRange } from "../../../core/least-of-range.ts";
import { SortedList } from "../../../core/sorted-list.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";
import { waits } from "../../job-lines.ts";
import type { NodesView } from "../../node.ts";
import { Sharer, speedsOf } from "./sharer.ts";

export class WaitingSharers {
  readonly #known: boolean;
  readonly #sharers = new Map<JobId, Sharer>();
  /** The shortest first. */
  readonly #byLength = new SortedList<Sharer>((a, b) => a.length - b.length || a.place - b.place);
  #byPlace: (Sharer | undefined)[] = [];
  #lengths = new LeastOfRange(64);
  /** Stopped, and may not have saved all that they did yet. */
  readonly #leaving = new Set<JobView>();
  /** Who was given GPUs by the last decision, and may have started. */
  #dealt: Sharer[] = [];
  #total: number | undefined;
  /** GPUs that all of them could use. */
  most = 0;

  /** `known`: whether lengths are looked at. */
  constructor(known: boolean) {
    this.#known = known;
  }

  sync(view: ClusterView): void {
    const { nodes, arrived, requeued, ended, waiting } = view;
    const dealt = this.#dealt.splice(0);
    // They stand in their order again before any is looked for.
    for (const sharer of dealt) sharer.deal(0);
    for (const sharer of dealt) {
      if (waits(sharer.job)) this.#lengths.set(sharer.place, sharer.length);
      else this.#remove(sharer.job.spec.id);
    }
    const total = nodes.total();
    if (total !== this.#total) {
      this.#total = total;
      for (const id of [...this.#sharers.keys()]) this.#remove(id);
      for (const job of waiting) this.#add(job, nodes);
      return;
    }
    for (const { spec } of ended) this.#remove(spec.id);
    const back = new Set([...arrived, ...requeued, ...this.#leaving]);
    // Places are by turn, and only the last is free.
    for (const job of [...back].sort((a, b) => a.turn - b.turn)) this.#add(job, nodes);
  }

  /** The shortest first. */
  shortest(): Iterator<Sharer> {
    return this.#byLength[Symbol.iterator]();
  }

  /** The first of the shortest, of places `from` up to `to`, that have nothing yet. */
  least(from: number, to: number): Sharer | undefined {
    const place = this.#lengths.least(from, to);
    return place === undefined ? undefined : this.#byPlace[place];
  }

  /** The first place from here on of one that has nothing yet. */
  next(from: number): number | undefined {
    return this.#lengths.next(from);
  }

  /** It is no longer one of those that have nothing, until the next decision. */
  take(sharer: Sharer): void {
    this.#lengths.set(sharer.place, Number.POSITIVE_INFINITY);
    this.#dealt.push(sharer);
  }

  #add(job: JobView, nodes: NodesView): void {
    const { id } = job.spec;
    const before = this.#sharers.get(id);
    if (job.state === "stopping") this.#leaving.add(job);
    else this.#leaving.delete(job);
    this.#remove(id);
    if (!waits(job)) return;
    // One that could not start keeps its place.
    const place = before?.turn === job.turn ? before.place : this.#freePlace();
    const sharer = new Sharer(job, place, speedsOf(nodes, job, undefined), this.#known);
    if (sharer.most === 0) return;
    this.#sharers.set(id, sharer);
    this.#byLength.add(sharer);
    this.#byPlace[place] = sharer;
    this.#lengths.set(place, sharer.length);
    this.most += sharer.most;
  }

  #remove(id: JobId): void {
    const sharer = this.#sharers.get(id);
    if (sharer === undefined) return;
    this.#sharers.delete(id);
    this.#byLength.delete(sharer);
    this.#byPlace[sharer.place] = undefined;
    this.#lengths.set(sharer.place, Number.POSITIVE_INFINITY);
    this.most -= sharer.most;
  }

  /** The next behind all others; where there is none left, the holes between them are closed. */
  #freePlace(): number {
    if (this.#byPlace.length < this.#lengths.size) return this.#byPlace.push(undefined) - 1;
    const sharers = this.#byPlace.filter((sharer) => sharer !== undefined);
    this.#byPlace = sharers;
    this.#lengths = new LeastOfRange(2 * sharers.length + 64);
    for (const [place, sharer] of sharers.entries()) {
      sharer.place = place;
      this.#lengths.set(place, sharer.length);
    }
    return this.#byPlace.push(undefined) - 1;
  }
}
