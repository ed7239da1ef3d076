/**
 * Free GPUs of nodes to try places on, before anything is decided: what a policy uses that empties the whole cluster and
 * fills it anew, or that wants to know whether a gang fits at all.
 */
import { allows, type NodesView, type Share } from "./node.ts";

const none: readonly Share[] = [];

export class Bins {
  readonly #nodes: NodesView;
  readonly #free: number[];
  /** By a number of GPUs, a node before which none has so many free: it only moves on while GPUs are taken. */
  readonly #from: number[];

  /** Every usable node, empty; or what is free of it now. */
  constructor(nodes: NodesView, now: "empty" | "as-is" = "empty") {
    this.#nodes = nodes;
    const { specs } = nodes;
    // Plain arrays: bins are made for each decision, and the memory of typed ones is far dearer to get.
    this.#free = [];
    for (let node = 0; node < specs.length; node++) {
      const free = now === "as-is" ? nodes.free(node) : nodes.usable(node) ? specs[node]!.gpus : 0;
      this.#free.push(free);
    }
    this.#from = new Array<number>(nodes.gpusMax + 1).fill(0);
  }

  free(node: number): number {
    return this.#free[node]!;
  }

  /** Takes those very GPUs; false, and nothing is taken, where they are not free. */
  hold(places: readonly Share[]): boolean {
    for (const { node, gpus } of places) if (this.#free[node]! < gpus) return false;
    for (const { node, gpus } of places) this.#free[node]! -= gpus;
    return true;
  }

  release(places: readonly Share[]): void {
    for (const { node, gpus } of places) this.#free[node]! += gpus;
    this.#from.fill(0);
  }

  /** Takes what `take` would, and tells only whether there was room. */
  fits(gpus: number, types?: readonly string[]): boolean {
    if (gpus > this.#nodes.gpusMax) return this.take(gpus, types) !== undefined;
    const node = this.#first(gpus, types);
    if (node === undefined) return false;
    this.#free[node]! -= gpus;
    return true;
  }

  /** The first node with so many free GPUs, but for those of `except`. */
  #first(gpus: number, types: readonly string[] | undefined, except: readonly Share[] = none): number | undefined {
    const { specs } = this.#nodes;
    let first = this.#from[gpus]!;
    while (first < specs.length && this.#free[first]! < gpus) first++;
    this.#from[gpus] = first;
    for (let node = first; node < specs.length; node++) {
      if (this.#free[node]! < gpus || !allows(types, specs[node]!.type)) continue;
      if (except.length === 0 || !except.some((share) => share.node === node)) return node;
    }
    return undefined;
  }

  /**
   * The first node that has all of them; where no node is that large, the first empty nodes, and one more for the rest.
   * Takes them, or returns undefined.
   */
  take(gpus: number, types?: readonly string[]): readonly Share[] | undefined {
    const { specs, gpusMax } = this.#nodes;
    if (gpus <= gpusMax) {
      const node = this.#first(gpus, types);
      if (node === undefined) return undefined;
      this.#free[node]! -= gpus;
      return [{ node, gpus }];
    }
    const places: Share[] = [];
    let left = gpus;
    for (let node = 0; node < specs.length && left > gpusMax; node++) {
      const { gpus: size, type } = specs[node]!;
      if (size !== gpusMax || this.#free[node] !== size || !allows(types, type)) continue;
      places.push({ node, gpus: size });
      left -= size;
    }
    if (left > gpusMax) return undefined;
    const node = this.#first(left, types, places);
    if (node === undefined) return undefined;
    places.push({ node, gpus: left });
    this.hold(places);
    return places;
  }
}
