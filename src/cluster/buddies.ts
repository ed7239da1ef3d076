/**
 * Buddies: a job of 2^k GPUs gets the smallest block that holds it, a part of one node or whole nodes that stand side by side from
 * a multiple of their number on. Where parts are left over that no gang fits into, jobs move (ElasticFlow, §4.4).
 */

import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { allows, gpusIn, type NodesView, type Share } from "./node.ts";
import { holds, type Size } from "./scaling.ts";

export class Buddies {
  readonly #nodes: NodesView;
  readonly #free: Int32Array;

  constructor(nodes: NodesView, now: "empty" | "as-is") {
    this.#nodes = nodes;
    this.#free = Int32Array.from(nodes.specs, ({ gpus }, node) =>
      now === "as-is" ? nodes.free(node) : nodes.usable(node) ? gpus : 0,
    );
  }

  hold(places: readonly Share[]): boolean {
    if (!places.every(({ node, gpus }) => this.#free[node]! >= gpus)) return false;
    for (const { node, gpus } of places) this.#free[node]! -= gpus;
    return true;
  }

  /** Takes the best block; undefined where there is none. */
  take(gpus: number, types?: readonly string[]): readonly Share[] | undefined {
    const { gpusMax } = this.#nodes;
    const places = gpus <= gpusMax ? this.#part(gpus, types) : this.#whole(gpus, types);
    if (places !== undefined) this.hold(places);
    return places;
  }

  #part(gpus: number, types?: readonly string[]): readonly Share[] | undefined {
    let best = -1;
    for (const [node, { type }] of this.#nodes.specs.entries()) {
      if (this.#free[node]! < gpus || !allows(types, type)) continue;
      if (best === -1 || this.#free[node]! < this.#free[best]!) best = node;
    }
    return best === -1 ? undefined : [{ node: best, gpus }];
  }

  /** Aligned neighbours first; any empty nodes where there are none. */
  #whole(gpus: number, types?: readonly string[]): readonly Share[] | undefined {
    const { specs, gpusMax } = this.#nodes;
    const empty = (node: number): boolean => {
      const spec = specs[node];
      return spec?.gpus === gpusMax && this.#free[node] === gpusMax && allows(types, spec.type);
    };
    const count = Math.ceil(gpus / gpusMax);
    const shares = (nodes: readonly number[]): Share[] =>
      nodes.map((node, i) => ({ node, gpus: Math.min(gpusMax, gpus - i * gpusMax) }));
    for (let from = 0; from + count <= specs.length; from += count) {
      const block = Array.from({ length: count }, (_, i) => from + i);
      if (block.every(empty)) return shares(block);
    }
    const any = [...specs.keys()].filter(empty).slice(0, count);
    return any.length === count ? shares(any) : undefined;
  }
}

/**
 * Places for jobs of these sizes: who keeps its size stays, others get the best blocks, largest first; and everybody moves where
 * somebody finds none so. Jobs that fit nowhere are left out.
 */
export function settle(nodes: NodesView, wants: readonly { readonly job: JobView; readonly gpus: number }[]) {
  const largestFirst = [...wants].sort((a, b) => b.gpus - a.gpus);
  const staying = (gpus: number, { places }: JobView): boolean => places.length > 0 && gpusIn(places) === gpus;
  const placed = new Map<JobId, readonly Share[]>();
  const buddies = new Buddies(nodes, "empty");
  for (const { job, gpus } of largestFirst) {
    if (staying(gpus, job) && buddies.hold(job.places)) placed.set(job.spec.id, job.places);
  }
  for (const { job, gpus } of largestFirst) {
    if (placed.has(job.spec.id)) continue;
    const on = buddies.take(gpus, job.spec.types);
    if (on === undefined) return afresh(nodes, largestFirst);
    placed.set(job.spec.id, on);
  }
  return placed;
}

/** The best blocks, largest first, wherever anybody is now; and the GPUs of each node in that order. */
export function afresh(nodes: NodesView, wants: readonly { readonly job: JobView; readonly gpus: number }[]) {
  const placed = new Map<JobId, readonly Share[]>();
  const buddies = new Buddies(nodes, "empty");
  const used = new Map<number, number>();
  for (const { job, gpus: size } of [...wants].sort((a, b) => b.gpus - a.gpus)) {
    const on = buddies.take(size, job.spec.types)?.map(({ node, gpus }) => {
      const first = used.get(node) ?? 0;
      used.set(node, first + gpus);
      return { node, gpus, devices: Array.from({ length: gpus }, (_, i) => first + i) };
    });
    if (on !== undefined) placed.set(job.spec.id, on);
  }
  return placed;
}

/** Places for all who do not keep theirs; who has no size gets nothing, and is named only if it runs. */
export function placed(
  view: ClusterView,
  gpusOf: Iterable<readonly [JobView, number]>,
  place: typeof settle,
): Map<JobId, Size> {
  const wants: { readonly job: JobView; readonly gpus: number }[] = [];
  for (const [job, gpus] of gpusOf) if (gpus > 0) wants.push({ job, gpus });
  wants.sort((a, b) => b.gpus - a.gpus);
  const places = place(view.nodes, wants);
  const sizes = new Map<JobId, Size>();
  for (const { job, gpus } of wants) {
    const on = places.get(job.spec.id);
    if (on !== undefined && !(on === job.places && holds(job, gpus))) sizes.set(job.spec.id, { gpus, on });
  }
  for (const { spec } of view.running) if (!places.has(spec.id)) sizes.set(spec.id, { gpus: 0 });
  return sizes;
}
