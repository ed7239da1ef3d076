/** Placement: which GPUs of which nodes a job gets. */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { JobId, JobSpec, JobView } from "./job.ts";
import type { NodesView, Share } from "./node.ts";
import { placementIndex } from "./placement.index.ts";

export interface Place {
  readonly on: readonly Share[];
  /** Running jobs that lose their GPUs for it; the engine stops them first. */
  readonly evict?: readonly JobId[];
}

export interface Placement {
  /** Places for `gpus` GPUs of the job, on nodes of `type` where it is given; `undefined` where there are none now. */
  place(job: JobView, gpus: number, nodes: NodesView, type?: string): Place | undefined;
  // What follows is for techniques that keep a map of their own (cells, affinities). It names one job for each set of GPUs.
  /** The job starts on GPUs that another part of the policy has chosen. */
  taken?(job: JobView, on: readonly Share[], nodes: NodesView): void;
  /** The job has left, and nobody who shared its GPUs is there any more. */
  freed?(job: JobId, places: readonly Share[]): void;
  /** The job has left; another, which shared its GPUs, stays on them. */
  handed?(from: JobId, to: JobId): void;
}

export const placements = slot<Placement>("cluster/placement", placementIndex);

/** Types an entry, and returns it unchanged. */
export const placement = <const O extends Options>(entry: Entry<Placement, O>): Entry<Placement, O> => entry;

/** Whether the node has the CPUs and the memory of the whole job. */
export const fitsHost = (nodes: NodesView, { cpus = 0, memoryBytes = 0 }: JobSpec, node: number): boolean =>
  nodes.freeCpus(node) >= cpus && nodes.freeMemory(node) >= memoryBytes;

/** The node that the job leaves the fewest free GPUs on; `undefined` where none holds it whole. */
export function fullest(
  nodes: NodesView,
  spec: JobSpec,
  gpus: number,
  types: readonly string[] | undefined,
): readonly Share[] | undefined {
  for (let free = gpus; free <= nodes.gpusMax; free++) {
    for (const of of types ?? [undefined]) {
      for (const node of nodes.withFree(free, of)) if (fitsHost(nodes, spec, node)) return [{ node, gpus }];
    }
  }
  return undefined;
}

/**
 * So many GPUs from as many nodes as it takes, of these types; `undefined` where there are too few. The nodes that have most go
 * first with `largest`, else by index. CPUs and memory go with the GPUs: a node gives no more of these than it has the host's share for.
 */
export function spread(
  nodes: NodesView,
  { cpus = 0, memoryBytes = 0 }: JobSpec,
  gpus: number,
  types: readonly string[] | undefined,
  largest = false,
): readonly Share[] | undefined {
  const of: readonly (string | undefined)[] = types ?? [undefined];
  if (gpus === 0 || of.reduce((n, type) => n + nodes.freeTotal(type), 0) < gpus) return undefined;
  const candidates: { readonly node: number; readonly free: number }[] = [];
  for (let free = nodes.gpusMax; free > 0; free--) {
    for (const type of of) for (const node of nodes.withFree(free, type)) candidates.push({ node, free });
  }
  if (!largest) candidates.sort((a, b) => a.node - b.node);
  const on: Share[] = [];
  let left = gpus;
  for (const { node, free } of candidates) {
    const byCpus = cpus === 0 ? free : Math.floor((nodes.freeCpus(node) * gpus) / cpus);
    const byMemory = memoryBytes === 0 ? free : Math.floor((nodes.freeMemory(node) * gpus) / memoryBytes);
    const part = Math.min(left, free, byCpus, byMemory);
    if (part > 0) on.push({ node, gpus: part });
    left -= Math.max(0, part);
    if (left === 0) return on;
  }
  return undefined;
}
