/** Who is to have which GPUs, while it is being decided: what is free, and who is on each node. */
import type { JobId } from "../../job.ts";
import { allows, gpusIn, type NodesView, type Share } from "../../node.ts";
import type { Size } from "../../scaling.ts";
import type { Stake } from "./stake.ts";

const nowhere: readonly Share[] = [];

export class Plan {
  readonly #nodes: NodesView;
  readonly free: number[];
  /** Of all nodes. */
  freeTotal: number;
  /** By node, jobs over several nodes that are on it. */
  readonly #spanning: number[];
  /** By node, who is on it and on no other. */
  readonly residents: Stake[][];
  /** Every change, in order: who had what before it. */
  readonly #changes: Change[] = [];
  /** Whether jobs over several nodes may meet on one. */
  readonly #crowds: boolean;

  constructor(nodes: NodesView, crowds: boolean) {
    this.#nodes = nodes;
    this.#crowds = crowds;
    this.free = nodes.specs.map((_, node) => nodes.free(node));
    this.freeTotal = nodes.freeTotal();
    this.#spanning = nodes.specs.map(() => 0);
    this.residents = nodes.specs.map(() => []);
  }

  /** Somebody who is there, and whose GPUs are not free. */
  admit(stake: Stake): void {
    const { on } = stake;
    if (on.length > 1) for (const { node } of on) this.#spanning[node]!++;
    else this.residents[on[0]!.node]!.push(stake);
  }

  /** Those whose GPUs change. */
  get sizes(): Map<JobId, Size> {
    const changed = this.changedSince(0).filter(({ stake }) => stake.isMoved);
    return new Map(changed.map(({ stake: { job, on } }) => [job.spec.id, { gpus: gpusIn(on), on }]));
  }

  /** What is not taken by jobs over several nodes. */
  capacity(node: number): number {
    let gpus = this.free[node]!;
    for (const { on } of this.residents[node]!) gpus += on[0]!.gpus;
    return gpus;
  }

  allows({ job }: Stake, node: number): boolean {
    return allows(job.spec.types, this.#nodes.specs[node]!.type);
  }

  settle(stake: Stake, on: readonly Share[]): void {
    this.#changes.push({ stake, before: stake.on });
    this.#take(stake, on);
  }

  #take(stake: Stake, on: readonly Share[]): void {
    stake.on = on;
    this.freeTotal -= gpusIn(on);
    for (const { node, gpus } of on) this.free[node]! -= gpus;
    if (on.length > 0) this.admit(stake);
  }

  leave(stake: Stake): void {
    this.#changes.push({ stake, before: stake.on });
    this.#give(stake);
  }

  #give(stake: Stake): void {
    const { on } = stake;
    stake.on = nowhere;
    this.freeTotal += gpusIn(on);
    for (const { node, gpus } of on) {
      this.free[node]! += gpus;
      if (on.length > 1) this.#spanning[node]!--;
      else this.residents[node]!.splice(this.residents[node]!.indexOf(stake), 1);
    }
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#changes.length;
  }

  /** Who has changed since there were so many changes, and what they had then. */
  changedSince(changes: number): Change[] {
    const first = new Map<Stake, Change>();
    for (const change of this.#changes.slice(changes)) if (!first.has(change.stake)) first.set(change.stake, change);
    return [...first.values()];
  }

  /** Back to when there were so many changes. */
  undo(changes: number): void {
    while (this.#changes.length > changes) {
      const { stake, before } = this.#changes.pop()!;
      this.#give(stake);
      this.#take(stake, before);
    }
  }

  /**
   * The free GPUs of one node that a job could have: of one that is fixed in size the node that has least, of another the one that
   * has most; `undefined` where none has enough.
   */
  onOne(stake: Stake, wanted: number): Share | undefined {
    const { gpusMin, isFixed } = stake;
    let best: number | undefined;
    let order = Number.POSITIVE_INFINITY;
    for (let node = 0; node < this.free.length; node++) {
      const free = this.free[node]!;
      const rank = isFixed ? free : -free;
      if (free < gpusMin || rank >= order || !this.allows(stake, node)) continue;
      best = node;
      order = rank;
    }
    return best === undefined ? undefined : { node: best, gpus: Math.min(wanted, this.free[best]!) };
  }

  /** As many free GPUs as are wanted, over nodes on which no other such job is, those first that have most; fewer where there are. */
  onSeveral(stake: Stake, wanted: number): Share[] {
    const open: Share[] = [];
    for (let node = 0; node < this.free.length; node++) {
      const gpus = this.free[node]!;
      if (gpus > 0 && (this.#crowds || this.#spanning[node] === 0) && this.allows(stake, node))
        open.push({ node, gpus });
    }
    open.sort((a, b) => b.gpus - a.gpus);
    const on: Share[] = [];
    let left = wanted;
    for (const { node, gpus } of open) {
      if (left === 0) break;
      const taken = Math.min(gpus, left);
      on.push({ node, gpus: taken });
      left -= taken;
    }
    return on;
  }
}

interface Change {
  readonly stake: Stake;
  readonly before: readonly Share[];
}
