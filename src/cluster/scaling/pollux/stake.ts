/** A job in a deal: what it has, what it is to have, and what that loses it. */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobView } from "../../job.ts";
import { gpusIn, type Share } from "../../node.ts";
import { type Claim, claimOf, leastOf } from "./job-terms.ts";

export interface DealTerms {
  readonly view: ClusterView;
  /** Among whom the cluster is shared. */
  readonly jobs: number;
  readonly restartSeconds: Seconds;
  /** Of the power mean over jobs. */
  readonly power: number;
  /** Turns a speed-up over the fair share into one over a node's GPUs. */
  readonly scale: number;
  /** Every job runs on the GPUs that it asks for, and on no others. */
  readonly allFixed: boolean;
  /** Jobs over several nodes may meet on one. */
  readonly crowds: boolean;
}

/** What a place in the order of service is worth beside what the mean is of: it decides among equals. */
export const precedence = 1e-6;

export class Stake {
  readonly job: JobView;
  /** GPU-seconds. */
  readonly service: number;
  readonly gpusMin: number;
  /** As planned. */
  on: readonly Share[];
  readonly #terms: DealTerms;
  #claim: Claim | undefined;
  /** Of sizes on one node, by twice the GPUs, one more where it restarts. */
  readonly #losses: number[] = [];

  constructor(job: JobView, terms: DealTerms) {
    this.job = job;
    this.service = job.service;
    this.gpusMin = terms.allFixed ? job.spec.gpus : leastOf(job);
    this.on = job.places;
    this.#terms = terms;
  }

  get gpusMax(): number {
    return this.#terms.allFixed ? this.job.spec.gpus : this.#known().gpusMax;
  }

  get isFixed(): boolean {
    return this.gpusMin === this.gpusMax;
  }

  /** Whether it is to have other places than it has. */
  get isMoved(): boolean {
    return this.on !== this.job.places && !isSame(this.on, this.job.places);
  }

  /** Of so many GPUs of that node. */
  lossOn(node: number, gpus: number): number {
    const [first, ...others] = this.job.places;
    const stays = first === undefined || (others.length === 0 && first.node === node && first.gpus === gpus);
    const key = gpus === 0 ? 0 : 2 * gpus + (stays ? 0 : 1);
    return (this.#losses[key] ??= this.loss(1, gpus, !stays));
  }

  lossOf(on: readonly Share[]): number {
    return this.loss(on.length, gpusIn(on), this.job.places.length > 0 && !isSame(on, this.job.places));
  }

  /** Its part of the sum that the power mean is of, such that less is better. */
  loss(nodes: number, gpus: number, restarts: boolean): number {
    const { power, scale } = this.#terms;
    const speedup = gpus === 0 ? 0 : this.#known().speedup(nodes, gpus) * (restarts ? this.#known().restartFactor : 1);
    const value = speedup * scale + 1e-3;
    return power === -1 ? 1 / value : power < 0 ? value ** power : -(value ** power);
  }

  #known(): Claim {
    const { view, jobs, restartSeconds } = this.#terms;
    return (this.#claim ??= claimOf(this.job, view, jobs, restartSeconds));
  }
}

const isSame = (a: readonly Share[], b: readonly Share[]): boolean =>
  a.length === b.length && a.every(({ node, gpus }) => b.some((share) => share.node === node && share.gpus === gpus));
