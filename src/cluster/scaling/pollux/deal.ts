/**
 * What stands in for the search where that is not worth its while: from the allocation as it is, free GPUs go to those that wait,
 * then the GPUs of each node are dealt anew among who is on it and who still waits, jobs over several nodes give way to more
 * that wait, and what is left goes to jobs that can use it.
 *
 * Each step is taken if it makes the power mean of speed-ups better, restarts counted, which is what the search looks for.
 */
import type { JobId } from "../../job.ts";
import { type JobOrder, Kinds } from "../../job-order.ts";
import { gpusIn } from "../../node.ts";
import type { Size } from "../../scaling.ts";
import { bestOn } from "./node-deal.ts";
import { NodeProgram } from "./node-program.ts";
import { Plan } from "./plan.ts";
import { type DealTerms, precedence, Stake } from "./stake.ts";
import { widen } from "./widen.ts";

/** GPUs that those ask for that wait and are looked at, of each size. */
const candidateGpus = 32;

/** `waiting`: those who need least first, and of these those that have had least service. */
export function deal(terms: DealTerms, waiting: JobOrder): Map<JobId, Size> {
  const dealing = new Deal(terms);
  dealing.fill(waiting);
  if (dealing.isDone) return dealing.plan.sizes;
  dealing.exchange();
  dealing.dissolve();
  dealing.gather();
  if (!terms.allFixed) widen(dealing.plan, dealing.running);
  return dealing.plan.sizes;
}

class Deal {
  readonly #terms: DealTerms;
  readonly plan: Plan;
  #waiting: Stake[] = [];
  readonly #spanning: Stake[] = [];
  readonly #program = new NodeProgram();

  constructor(terms: DealTerms) {
    this.#terms = terms;
    this.plan = new Plan(terms.view.nodes, terms.crowds);
    for (const job of terms.view.running) {
      const spans = job.places.length > 1;
      // GPUs that jobs share are not dealt.
      const isAlone = job.beside.length === 0;
      if (!spans && !isAlone) continue;
      const stake = new Stake(job, terms);
      this.plan.admit(stake);
      if (spans && isAlone) this.#spanning.push(stake);
    }
  }

  /** Whether nobody could have more. */
  get isDone(): boolean {
    return this.#terms.allFixed && this.#waiting.length === 0;
  }

  get running(): Stake[] {
    return [...this.plan.residents.flat(), ...this.#spanning.filter(({ on }) => on.length > 1)];
  }

  /** Free GPUs for those that wait, in their order: as few as each can begin with. */
  fill(order: JobOrder): void {
    const full = new Kinds();
    const left = new Map<string, number>();
    for (const job of order.without(full)) {
      const stake = new Stake(job, this.#terms);
      const { gpusMin } = stake;
      const one = this.plan.onOne(stake, gpusMin);
      const on = one === undefined ? this.plan.onSeveral(stake, gpusMin) : [one];
      if (gpusIn(on) === gpusMin) {
        this.plan.settle(stake, on);
        continue;
      }
      this.#waiting.push(stake);
      const kind = `${job.spec.gpus} ${job.spec.types ?? ""}`;
      const count = (left.get(kind) ?? 0) + Math.max(gpusMin, 1);
      left.set(kind, count);
      if (count >= candidateGpus) full.add(job);
    }
  }

  /** Every node's GPUs anew, those first where somebody has had most service. */
  exchange(): void {
    const { residents } = this.plan;
    const most = residents.map((stakes) => stakes.reduce((max, { service }) => Math.max(max, service), 0));
    const order = [...most.keys()].sort((a, b) => most[b]! - most[a]!);
    for (const node of order) if (this.#mayGain(node)) this.#deal(node);
  }

  /**
   * Where all are fixed in size, nobody gains on a full node whose jobs are no larger than the least that waits and, if as large, have
   * had less service.
   */
  #mayGain(node: number): boolean {
    if (!this.#terms.allFixed) return true;
    const [first] = this.#waiting;
    if (first === undefined) return false;
    if (this.plan.free[node]! > 0) return true;
    return this.plan.residents[node]!.some(
      ({ gpusMin, service }) => gpusMin > first.gpusMin || (gpusMin === first.gpusMin && service > first.service),
    );
  }

  #deal(node: number): void {
    const { bidders, sizes, gain } = bestOn(node, this.plan, this.#waiting, this.#program);
    if (gain <= precedence / 2) return;
    const { plan } = this;
    const waits = new Set(this.#waiting);
    for (const stake of bidders) if (stake.on.length > 0) plan.leave(stake);
    for (const [i, stake] of bidders.entries()) {
      const gpus = sizes[i]!;
      if (gpus > 0) {
        plan.settle(stake, [{ node, gpus }]);
        waits.delete(stake);
      } else waits.add(stake);
    }
    this.#waiting = [...waits].sort(byNeed);
  }

  /** Jobs over several nodes give way, those first that have had most service, where the others gain more than they lose. */
  dissolve(): void {
    const { allFixed } = this.#terms;
    for (const stake of this.#spanning.toSorted((a, b) => b.service - a.service)) {
      const { on } = stake;
      const [first] = this.#waiting;
      // What is fixed in size gains nothing from GPUs but where it waits.
      if (allFixed && first === undefined) return;
      if (allFixed && on.every(({ node, gpus }) => this.plan.capacity(node) + gpus < first!.gpusMin)) continue;
      this.#attempt(() => {
        this.#evict(stake);
        for (const { node } of on) this.#deal(node);
        this.#refill();
        if (!allFixed) widen(this.plan, this.running);
      });
    }
  }

  /** Where enough is free, but not on one node: who is on a node makes room for one that waits, and goes where there is room. */
  gather(): void {
    const { plan } = this;
    let wanted = 0;
    for (const waiting of [...this.#waiting]) {
      const { gpusMin } = waiting;
      if (gpusMin === wanted || waiting.on.length > 0) continue;
      wanted = gpusMin;
      if (plan.freeTotal < gpusMin) return;
      const nodes = [...plan.free.keys()].filter((node) => plan.free[node]! > 0 && plan.allows(waiting, node));
      for (const node of nodes.sort((a, b) => plan.free[b]! - plan.free[a]!)) {
        if (plan.capacity(node) < gpusMin) continue;
        const gathered = this.#attempt(() => {
          for (const stake of [...plan.residents[node]!]) this.#evict(stake);
          plan.settle(waiting, [{ node, gpus: gpusMin }]);
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
          this.#refill();
        });
        if (gathered) {
          wanted = 0;
          break;
        }
      }
    }
  }

  #evict(stake: Stake): void {
    this.plan.leave(stake);
    this.#waiting.push(stake);
    this.#waiting.sort(byNeed);
  }

  /** Free GPUs for those that wait, those that need least first. */
  #refill(): void {
    this.#waiting = this.#waiting.filter((stake) => {
      if (stake.gpusMin > this.plan.freeTotal) return true;
      const one = this.plan.onOne(stake, stake.gpusMin);
      const on = one === undefined ? this.plan.onSeveral(stake, stake.gpusMin) : [one];
      if (gpusIn(on) < stake.gpusMin) return true;
      this.plan.settle(stake, on);
      return false;
    });
  }

  /** Whether the change gained anything; else all is as it was before. */
  #attempt(change: () => void): boolean {
    const waiting = [...this.#waiting];
    const { changes } = this.plan;
    change();
    let gain = 0;
    for (const { stake, before } of this.plan.changedSince(changes))
      gain += stake.lossOf(before) - stake.lossOf(stake.on);
    if (gain > precedence) return true;
    this.plan.undo(changes);
    this.#waiting = waiting;
    return false;
  }
}

const byNeed = (a: Stake, b: Stake): number => a.gpusMin - b.gpusMin || a.service - b.service;
