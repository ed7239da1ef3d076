/**
 * What Pollux's genetic search looks for: a matrix of GPUs by job and node, and how good it is (OSDI 2021, §4.2).
 *
 * Rows are jobs, those with least service first, columns usable nodes; a matrix is one array, row by row.
 */
import type { Random } from "../../../core/random.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobView } from "../../job.ts";
import type { Share } from "../../node.ts";
import { type JobTerms, speedupOf, termsOf } from "./job-terms.ts";

export interface AllocationOptions {
  readonly restartSeconds: number;
  /** Of the power mean over jobs: the more negative, the fairer. */
  readonly power: number;
  /** At most one job over several nodes on any node. */
  readonly avoidInterference: boolean;
}

export interface Quality {
  readonly fitness: number;
  readonly utility: number;
}

export class AllocationProblem {
  readonly jobs: readonly JobView[];
  readonly nodes: readonly number[];
  readonly base: Uint8Array;
  readonly #capacity: Uint8Array;
  readonly #terms: readonly JobTerms[];
  readonly #options: AllocationOptions;
  /** Turns a speed-up over the fair share into one over a node's GPUs. */
  readonly #scale: number;

  constructor(view: ClusterView, jobs: readonly JobView[], options: AllocationOptions) {
    this.jobs = jobs;
    this.#options = options;
    this.nodes = view.nodes.specs.flatMap((_, node) => (view.nodes.usable(node) ? [node] : []));
    this.#capacity = Uint8Array.from(this.nodes, (node) => view.nodes.specs[node]!.gpus);
    this.#scale = this.nodes.length / view.nodes.total();
    this.#terms = jobs.map((job) => termsOf(job, view, jobs.length, options.restartSeconds));
    this.base = this.matrix((job) => job.places);
  }

  /** The matrix of so many GPUs of each job on each node. */
  matrix(places: (job: JobView) => readonly Share[]): Uint8Array {
    const column = new Map(this.nodes.map((node, i) => [node, i]));
    const matrix = new Uint8Array(this.jobs.length * this.nodes.length);
    for (const [row, job] of this.jobs.entries()) {
      for (const { node, gpus } of places(job)) {
        const at = column.get(node);
        if (at !== undefined) matrix[row * this.nodes.length + at] = gpus;
      }
    }
    return matrix;
  }

  placesOf(matrix: Uint8Array, row: number): Share[] {
    const width = this.nodes.length;
    return this.nodes.flatMap((node, i) => {
      const gpus = matrix[row * width + i]!;
      return gpus > 0 ? [{ node, gpus }] : [];
    });
  }

  evaluate(matrix: Uint8Array): Quality {
    const width = this.nodes.length;
    const { power } = this.#options;
    let sum = 0;
    let speedups = 0;
    let used = 0;
    let nodesUsed = 0;
    for (const [row, terms] of this.#terms.entries()) {
      let nodes = 0;
      let gpus = 0;
      let moved = false;
      const start = row * width;
      for (let i = 0; i < width; i++) {
        const here = matrix[start + i]!;
        if (here !== this.base[start + i]) moved = true;
        if (here === 0) continue;
        nodes++;
        gpus += here;
        nodesUsed |= 1 << i;
      }
      const speedup = gpus === 0 ? 0 : speedupOf(terms, nodes, gpus);
      speedups += speedup;
      used += gpus;
      const value = speedup * this.#scale * (moved ? terms.restartFactor : 1) + 1e-3;
      sum += power === -1 ? 1 / value : value ** power;
    }
    const active = width <= 31 ? this.#active(nodesUsed) : Math.max(used, 1);
    return { fitness: (sum / this.jobs.length) ** (1 / power), utility: active === 0 ? 0 : speedups / active };
  }

  #active(mask: number): number {
    let gpus = 0;
    for (let i = 0; i < this.#capacity.length; i++) if ((mask & (1 << i)) !== 0) gpus += this.#capacity[i]!;
    return gpus;
  }

  /** In place: rows back to what they are, GPUs taken away, and free GPUs given to jobs, more of them to those that are on the node. */
  mutate(matrix: Uint8Array, random: Random): void {
    const width = this.nodes.length;
    const rows = this.jobs.length;
    for (let row = 0; row < rows; row++) {
      const start = row * width;
      if (random() < 0.1) matrix.set(this.base.subarray(start, start + width), start);
      const robbed = random() < 0.1;
      for (let i = start; robbed && i < start + width; i++) if (random() < 0.1) matrix[i] = 0;
    }
    for (let column = 0; column < width; column++) {
      let used = 0;
      let here = 0;
      for (let i = column; i < matrix.length; i += width) {
        used += matrix[i]!;
        if (matrix[i]! > 0) here++;
      }
      const most = this.#capacity[column]!;
      if (used >= most) continue;
      const any = 1 / rows;
      const more = any + 1 / Math.max(here, 1) - any / Math.max(here, 1);
      for (let i = column; i < matrix.length; i += width) {
        const now = matrix[i]!;
        if (random() < (now > 0 ? more : any)) matrix[i] = now + Math.floor(random() * (most + 1 - now));
      }
    }
  }

  /** In place: a matrix that can be carried out. Earlier rows keep what later ones lose. */
  repair(matrix: Uint8Array, random: Random): void {
    const width = this.nodes.length;
    if (this.#options.avoidInterference) this.#separate(matrix);
    for (const [row, { gpusMax }] of this.#terms.entries()) {
      const start = row * width;
      let sum = 0;
      for (let i = start; i < start + width; i++) sum += matrix[i]!;
      // What is too much goes from nodes in any order.
      while (sum > gpusMax) {
        const i = start + Math.floor(random() * width);
        const cut = Math.min(matrix[i]!, sum - gpusMax);
        matrix[i]! -= cut;
        sum -= cut;
      }
    }
    for (let column = 0; column < width; column++) {
      let left = this.#capacity[column]!;
      for (let i = column; i < matrix.length; i += width) {
        if (matrix[i]! > left) matrix[i] = left;
        left -= matrix[i]!;
      }
    }
    for (const [row, { gpusMin }] of this.#terms.entries()) {
      if (gpusMin <= 1) continue;
      const places = matrix.subarray(row * width, (row + 1) * width);
      if (places.reduce((n, gpus) => n + gpus, 0) < gpusMin) places.fill(0);
    }
  }

  #separate(matrix: Uint8Array): void {
    const width = this.nodes.length;
    const taken = new Uint8Array(width);
    for (let start = 0; start < matrix.length; start += width) {
      let nodes = 0;
      for (let i = 0; i < width; i++) if (matrix[start + i]! > 0) nodes++;
      if (nodes < 2) continue;
      for (let i = 0; i < width; i++) {
        if (matrix[start + i] === 0) continue;
        if (taken[i] === 1) matrix[start + i] = 0;
        taken[i] = 1;
      }
    }
  }
}
