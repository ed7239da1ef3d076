/**
 * What Pollux's genetic search looks for: a matrix of GPUs by job and node, and how good it is (OSDI 2021, §4.2).
 *
 * Rows are jobs, those with least service first, columns usable nodes; a matrix is part of one array of many, row by row.
 */
import { quickStream, type Random } from "../../../core/random.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobView } from "../../job.ts";
import type { Share } from "../../node.ts";
import { type JobTerms, speedupOf, termsOf } from "./job-terms.ts";
import { limit, separate } from "./repair.ts";

export interface AllocationOptions {
  readonly restartSeconds: number;
  /** Of the power mean over jobs: the more negative, the fairer. */
  readonly power: number;
  /** At most one job over several nodes on any node. */
  readonly avoidInterference: boolean;
}

export interface Quality {
  fitness: number;
  utility: number;
}

export class AllocationProblem {
  readonly jobs: readonly JobView[];
  readonly nodes: readonly number[];
  /** Cells of a matrix. */
  readonly size: number;
  readonly base: Uint8Array;
  readonly #capacity: Uint8Array;
  readonly #terms: readonly JobTerms[];
  readonly #options: AllocationOptions;
  /** Turns a speed-up over the fair share into one over a node's GPUs. */
  readonly #scale: number;
  /** Tells matrices apart: a number by cell, of which a matrix's hash is the sum over its GPUs. */
  readonly #keys: Int32Array;
  /** By column, of the matrix that is being changed: GPUs left, jobs over several nodes. */
  readonly #left: Uint8Array;
  readonly #spread: Uint16Array;
  readonly #nodesOfBase: Uint16Array;
  /** What `settle` knows of the row that it is at, and the hash so far. */
  readonly #row = { nodes: 0, gpus: 0, last: 0, moved: false, hash: 0 };

  constructor(view: ClusterView, jobs: readonly JobView[], options: AllocationOptions) {
    this.jobs = jobs;
    this.#options = options;
    this.nodes = view.nodes.specs.flatMap((_, node) => (view.nodes.usable(node) ? [node] : []));
    this.size = jobs.length * this.nodes.length;
    this.#capacity = Uint8Array.from(this.nodes, (node) => view.nodes.specs[node]!.gpus);
    this.#scale = this.nodes.length / view.nodes.total();
    this.#terms = jobs.map((job) => termsOf(job, view, jobs.length, options.restartSeconds));
    this.#keys = new Int32Array(this.size);
    const key = quickStream(0x9011);
    for (let i = 0; i < this.size; i++) this.#keys[i] = key() * 0x1_0000_0000;
    this.#left = new Uint8Array(this.nodes.length);
    this.#spread = new Uint16Array(this.nodes.length);
    this.base = new Uint8Array(this.size);
    this.#nodesOfBase = new Uint16Array(jobs.length);
    const column = new Map(this.nodes.map((node, i) => [node, i]));
    for (const [row, { places }] of jobs.entries()) {
      for (const { node, gpus } of places) {
        const at = column.get(node);
        if (at === undefined) continue;
        this.base[row * this.nodes.length + at] = gpus;
        this.#nodesOfBase[row]!++;
      }
    }
  }

  placesOf(matrix: Uint8Array, row: number): Share[] {
    const width = this.nodes.length;
    return this.nodes.flatMap((node, i) => {
      const gpus = matrix[row * width + i]!;
      return gpus > 0 ? [{ node, gpus }] : [];
    });
  }

  /**
   * In place, of the matrix that begins at `from`: rows back to what they are, GPUs taken away, and free GPUs given to jobs, more of
   * them to those that are on the node.
   */
  mutate(cells: Uint8Array, from: number, random: Random): void {
    const width = this.nodes.length;
    const rows = this.jobs.length;
    const { base } = this;
    for (let row = 0; row < rows; row++) {
      const start = from + row * width;
      if (random() < 0.1) for (let i = 0; i < width; i++) cells[start + i] = base[row * width + i]!;
      const robbed = random() < 0.1;
      for (let i = start; robbed && i < start + width; i++) if (random() < 0.1) cells[i] = 0;
    }
    const end = from + this.size;
    const any = 1 / rows;
    for (let column = 0; column < width; column++) {
      let used = 0;
      let here = 0;
      for (let i = from + column; i < end; i += width) {
        const gpus = cells[i]!;
        used += gpus;
        if (gpus > 0) here++;
      }
      const most = this.#capacity[column]!;
      if (used >= most) continue;
      const more = any + (1 - any) / Math.max(here, 1);
      for (let i = from + column; i < end; i += width) {
        const now = cells[i]!;
        if (random() < (now > 0 ? more : any)) cells[i] = now + Math.floor(random() * (most + 1 - now));
      }
    }
  }

  /**
   * Makes the matrix that begins at `from` one that can be carried out, in place, and says how good it is. Earlier rows keep what
   * later ones lose. Its hash is returned.
   */
  settle(cells: Uint8Array, from: number, random: Random, quality: Quality): number {
    const { power } = this.#options;
    const width = this.nodes.length;
    const row = this.#row;
    this.#left.set(this.#capacity);
    this.#spread.fill(0);
    row.hash = 0;
    let sum = 0;
    let speedups = 0;
    for (let index = 0; index < this.#terms.length; index++) {
      const terms = this.#terms[index]!;
      const start = from + index * width;
      row.nodes = row.gpus = 0;
      for (let i = 0; i < width; i++) {
        const here = cells[start + i]!;
        if (here === 0) continue;
        row.nodes++;
        row.gpus += here;
        row.last = i;
      }
      row.moved = this.#nodesOfBase[index]! > 0;
      if (row.nodes === 1) this.#settleOne(cells, start, index, terms);
      else if (row.nodes > 1) this.#settleMany(cells, start, index, terms, random);
      const speedup = row.gpus === 0 ? 0 : speedupOf(terms, row.nodes, row.gpus);
      speedups += speedup;
      const value = speedup * this.#scale * (row.moved ? terms.restartFactor : 1) + 1e-3;
      sum += power === -1 ? 1 / value : value ** power;
    }
    const active = this.#active();
    quality.fitness = (sum / this.jobs.length) ** (1 / power);
    quality.utility = active === 0 ? 0 : speedups / active;
    return row.hash;
  }

  /** A row with GPUs on one node, which nearly all have. */
  #settleOne(cells: Uint8Array, start: number, index: number, { gpusMax, gpusMin }: JobTerms): void {
    const row = this.#row;
    const { last } = row;
    const key = index * this.nodes.length + last;
    let here = Math.min(row.gpus, gpusMax, this.#left[last]!);
    if (this.#spread[last]! > 1 || here < gpusMin) here = 0;
    cells[start + last] = here;
    this.#left[last]! -= here;
    row.hash = (row.hash + Math.imul(this.#keys[key]!, here)) | 0;
    row.gpus = here;
    if (here > 0) row.moved = this.#nodesOfBase[index] !== 1 || this.base[key] !== here;
  }

  #settleMany(cells: Uint8Array, start: number, index: number, terms: JobTerms, random: Random): void {
    const width = this.nodes.length;
    const row = this.#row;
    const left = this.#left;
    if (this.#options.avoidInterference) separate(cells, start, this.#spread);
    limit(cells, start, width, terms.gpusMax, random);
    row.nodes = row.gpus = 0;
    for (let i = 0; i < width; i++) {
      const here = Math.min(cells[start + i]!, left[i]!);
      cells[start + i] = here;
      row.gpus += here;
    }
    if (row.gpus < terms.gpusMin) {
      row.gpus = 0;
      cells.fill(0, start, start + width);
    }
    const key = index * width;
    row.moved = false;
    for (let i = 0; i < width; i++) {
      const here = cells[start + i]!;
      if (here !== this.base[key + i]) row.moved = true;
      if (here === 0) continue;
      row.nodes++;
      left[i]! -= here;
      row.hash = (row.hash + Math.imul(this.#keys[key + i]!, here)) | 0;
    }
  }

  /** GPUs of nodes that are not empty. */
  #active(): number {
    let gpus = 0;
    for (let i = 0; i < this.#capacity.length; i++) if (this.#left[i] !== this.#capacity[i]) gpus += this.#capacity[i]!;
    return gpus;
  }
}
