/**
 * What is free, by node and by count: for every number of free GPUs the ordered set of nodes that have so many, of every type
 * and of each. Taking and giving back cost a few words, whatever the number of nodes.
 *
 * It holds the plan: GPUs of a run that was asked to leave count as free here, since who starts next waits for it.
 */
import { assert } from "../core/errors.ts";
import { IndexSet } from "./index-set.ts";
import type { JobSpec } from "./job.ts";
import { gpusIn, type NodeSpec, type NodesView, type Share } from "./node.ts";

const none: readonly number[] = [];

export class Nodes implements NodesView {
  readonly specs: readonly NodeSpec[];
  readonly types: readonly string[];
  readonly gpusMax: number;
  readonly #usable: Uint8Array;
  readonly #held: Int32Array;
  readonly #cpus: Float64Array;
  readonly #memory: Float64Array;
  readonly #every: Pool;
  readonly #byType: ReadonlyMap<string, Pool>;

  constructor(specs: readonly NodeSpec[]) {
    this.specs = specs;
    this.types = [...new Set(specs.map(({ type }) => type))];
    this.gpusMax = specs.reduce((most, { gpus }) => Math.max(most, gpus), 0);
    this.#usable = new Uint8Array(specs.length);
    this.#held = new Int32Array(specs.length);
    this.#cpus = Float64Array.from(specs, ({ cpus }) => cpus ?? Number.POSITIVE_INFINITY);
    this.#memory = Float64Array.from(specs, ({ memoryBytes }) => memoryBytes ?? Number.POSITIVE_INFINITY);
    this.#every = new Pool(specs.length, this.gpusMax);
    // With one type, the pool of the type is the pool of all.
    const pool = (): Pool => (this.types.length === 1 ? this.#every : new Pool(specs.length, this.gpusMax));
    this.#byType = new Map(this.types.map((type) => [type, pool()]));
    for (let node = 0; node < specs.length; node++) this.setUsable(node, true);
  }

  usable(node: number): boolean {
    return this.#usable[node] === 1;
  }

  free(node: number): number {
    return this.#usable[node] === 1 ? this.specs[node]!.gpus - this.#held[node]! : 0;
  }

  freeCpus(node: number): number {
    return this.#usable[node] === 1 ? this.#cpus[node]! : 0;
  }

  freeMemory(node: number): number {
    return this.#usable[node] === 1 ? this.#memory[node]! : 0;
  }

  total(type?: string): number {
    return this.#pool(type)?.total ?? 0;
  }

  freeTotal(type?: string): number {
    return this.#pool(type)?.free ?? 0;
  }

  withFree(gpus: number, type?: string): Iterable<number> {
    const nodes = this.#pool(type)?.buckets[gpus];
    return nodes === undefined || nodes.size === 0 ? none : nodes;
  }

  setUsable(node: number, usable: boolean): void {
    if (this.usable(node) === usable) return;
    const { gpus, type } = this.specs[node]!;
    const free = gpus - this.#held[node]!;
    this.#usable[node] = usable ? 1 : 0;
    for (const pool of this.#poolsOf(type)) pool.setNode(node, gpus, free, usable);
  }

  /** GPUs that a group of jobs begins to hold, or no longer holds. */
  take(places: readonly Share[]): void {
    for (const { node, gpus } of places) this.#hold(node, gpus);
  }

  give(places: readonly Share[]): void {
    for (const { node, gpus } of places) this.#hold(node, -gpus);
  }

  /** CPUs and memory of one job, spread over its places as its GPUs are; they are not shared as GPUs are. */
  takeHost(job: JobSpec, places: readonly Share[], sign: 1 | -1): void {
    if (job.cpus === undefined && job.memoryBytes === undefined) return;
    const gpus = gpusIn(places);
    for (const share of places) {
      const part = gpus === 0 ? 1 / places.length : share.gpus / gpus;
      this.#cpus[share.node]! -= sign * part * (job.cpus ?? 0);
      this.#memory[share.node]! -= sign * part * (job.memoryBytes ?? 0);
    }
  }

  #hold(node: number, gpus: number): void {
    if (gpus === 0) return;
    const { type } = this.specs[node]!;
    const before = this.specs[node]!.gpus - this.#held[node]!;
    this.#held[node]! += gpus;
    assert(before >= gpus && this.#held[node]! >= 0, () => `node ${node} holds ${this.#held[node]} GPUs`);
    if (this.#usable[node] === 0) return;
    this.#every.change(node, before, before - gpus);
    if (this.types.length > 1) this.#byType.get(type)!.change(node, before, before - gpus);
  }

  #pool(type: string | undefined): Pool | undefined {
    return type === undefined ? this.#every : this.#byType.get(type);
  }

  #poolsOf(type: string): Pool[] {
    return this.types.length === 1 ? [this.#every] : [this.#every, this.#byType.get(type)!];
  }
}

/** The usable nodes of one type, or of all, by their free GPUs. */
class Pool {
  total = 0;
  free = 0;
  readonly buckets: IndexSet[];

  constructor(nodes: number, gpusMax: number) {
    this.buckets = Array.from({ length: gpusMax + 1 }, () => new IndexSet(nodes));
  }

  setNode(node: number, gpus: number, free: number, usable: boolean): void {
    const sign = usable ? 1 : -1;
    this.total += sign * gpus;
    this.free += sign * free;
    if (usable) this.buckets[free]!.add(node);
    else this.buckets[free]!.delete(node);
  }

  change(node: number, before: number, after: number): void {
    this.free += after - before;
    this.buckets[before]!.delete(node);
    this.buckets[after]!.add(node);
  }
}
