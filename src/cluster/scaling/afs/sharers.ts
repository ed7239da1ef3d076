/** All jobs that are there in the order of their arrival, and of those that have nothing yet the shortest of any part of it. */
import { LeastOfRange } from "../../../core/least-of-range.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";
import { waits } from "../../job-lines.ts";
import type { NodesView } from "../../node.ts";
import { Sharer } from "./sharer.ts";

export class Sharers {
  readonly #known: boolean;
  readonly #sharers = new Map<JobId, Sharer>();
  #byPlace: (Sharer | undefined)[] = [];
  /** Lengths of those that have nothing yet and can use something, by place. */
  #zeros = new LeastOfRange(64);
  /** Stopped, and may not have saved all that they did yet. */
  readonly #leaving = new Set<JobView>();
  #running: readonly Sharer[] = [];
  /** Who has got something since the last decision began. */
  #dealt: Sharer[] = [];
  #total: number | undefined;
  /** GPUs that all of them could use. */
  most = 0;

  /** `known`: whether lengths are looked at. */
  constructor(known: boolean) {
    this.#known = known;
  }

  /** Takes in what has changed; nobody has anything then. */
  sync(view: ClusterView): void {
    const { nodes, arrived, requeued, ended, waiting } = view;
    for (const sharer of this.#dealt.splice(0)) {
      sharer.deal(0);
      this.#stand(sharer);
    }
    for (const job of arrived) this.#see(job, nodes);
    for (const { spec } of ended) this.#remove(spec.id);
    const running: Sharer[] = [];
    for (const job of view.running) running.push(this.#see(job, nodes));
    this.#running = running;
    for (const job of requeued) if (waits(job)) this.#leaving.add(job);
    for (const job of this.#leaving) {
      if (waits(job)) this.#see(job, nodes);
      if (job.state !== "stopping") this.#leaving.delete(job);
    }
    const total = nodes.total();
    if (total === this.#total) return;
    this.#total = total;
    for (const job of waiting) this.#see(job, nodes);
  }

  /** In the order of their starts. */
  get running(): readonly Sharer[] {
    return this.#running;
  }

  /** Who has got something. */
  get dealt(): readonly Sharer[] {
    return this.#dealt;
  }

  all(): Iterable<Sharer> {
    return this.#sharers.values();
  }

  /** The first of the shortest, of places `from` up to `to`, that have nothing yet. */
  least(from: number, to: number): Sharer | undefined {
    const place = this.#zeros.least(from, to);
    return place === undefined ? undefined : this.#byPlace[place];
  }

  give(sharer: Sharer, gpus: number): void {
    if (sharer.gpus === 0) {
      this.#zeros.set(sharer.place, Number.POSITIVE_INFINITY);
      this.#dealt.push(sharer);
    }
    sharer.deal(gpus);
  }

  #stand(sharer: Sharer): void {
    const { place, most, length } = sharer;
    if (this.#byPlace[place] === sharer) this.#zeros.set(place, most > 0 ? length : Number.POSITIVE_INFINITY);
  }

  /** As it is now. Who is seen for the first time stands behind all others. */
  #see(job: JobView, nodes: NodesView): Sharer {
    let sharer = this.#sharers.get(job.spec.id);
    if (sharer === undefined) {
      sharer = new Sharer(job, this.#freePlace(), this.#known);
      this.#sharers.set(job.spec.id, sharer);
      this.#byPlace[sharer.place] = sharer;
    } else this.most -= sharer.most;
    sharer.look(nodes);
    this.most += sharer.most;
    this.#stand(sharer);
    return sharer;
  }

  #remove(id: JobId): void {
    const sharer = this.#sharers.get(id);
    if (sharer === undefined) return;
    this.#sharers.delete(id);
    this.#byPlace[sharer.place] = undefined;
    this.#zeros.set(sharer.place, Number.POSITIVE_INFINITY);
    this.#leaving.delete(sharer.job);
    this.most -= sharer.most;
  }

  /** The next behind all others; where there is none left, the holes between them are closed. */
  #freePlace(): number {
    if (this.#byPlace.length < this.#zeros.size) return this.#byPlace.push(undefined) - 1;
    const sharers = this.#byPlace.filter((sharer) => sharer !== undefined);
    this.#byPlace = sharers;
    this.#zeros = new LeastOfRange(2 * sharers.length + 64);
    for (const [place, sharer] of sharers.entries()) {
      sharer.place = place;
      this.#stand(sharer);
    }
    return this.#byPlace.push(undefined) - 1;
  }
}
