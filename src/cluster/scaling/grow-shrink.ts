/**
 * Jobs that allow it grow on GPUs that nobody has wanted for a while, within the node they are on, and shrink back at once when
 * somebody does.
 */

import { Bins } from "../bins.ts";
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { gpusIn } from "../node.ts";
import { type Size, scaling } from "../scaling.ts";

export default scaling({
  title: "Grow and shrink",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  rows: ["gandiva"],
  idea: "When no job has waited and GPUs have been free for some minutes, give a job that may grow the free GPUs of its own node, the one that grows most first; as soon as a job waits, everybody goes back to what was asked for.",
  differs: [
    "Which jobs may grow, and how far, is their `range`; they never fall below what they asked for.",
    "All that have grown shrink when somebody waits who finds no room (the paper does not say which).",
  ],
  options: {
    idle: { default: 180, unit: "seconds", min: 1, help: "How long GPUs must have been free, and nobody have waited." },
  },
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "idle", factor: 1.15, where: "sim" },

  create({ idle }) {
    /** When somebody waited the last time, or no job could grow; `undefined` where none can. */
    let since: number | undefined;
    let wake: number | undefined;
    const grown = new Set<JobId>();
    /** Jobs that may grow, here now. */
    let elastic = 0;
    return {
      sizes(view) {
        for (const { spec } of view.arrived) if (spec.range !== undefined) elastic++;
        for (const { spec } of view.ended) {
          grown.delete(spec.id);
          if (spec.range !== undefined) elastic--;
        }
        wake = undefined;
        if (elastic === 0) return kept;
        if (view.waitingCount > 0) {
          since = view.now;
          const sizes = grown.size === 0 || allFit(view) ? kept : shrunk(view, grown);
          // Scheduling that counts free GPUs sees what was given back the next time.
          wake = view.now + (sizes.size > 0 ? 1 : idle);
          return sizes;
        }
        const growing = grow(view);
        if (growing.size === 0) {
          since = undefined;
          return kept;
        }
        since ??= view.now;
        const isTime = view.now - since >= idle;
        if (isTime) {
          for (const id of growing.keys()) grown.add(id);
          since = view.now;
        }
        wake = since + idle;
        return isTime ? growing : kept;
      },
      wake: () => wake,
    };
  },
});

/** Whether all who wait find room as it is. */
function allFit(view: ClusterView): boolean {
  const bins = new Bins(view.nodes, "as-is");
  for (const { gpus, spec } of view.waiting) if (bins.take(gpus, spec.types) === undefined) return false;
  return true;
}

const kept: ReadonlyMap<JobId, Size> = new Map();

/** What was asked for, for all that have more. Those that were stopped get no more than that anyway. */
function shrunk(view: ClusterView, grown: Set<JobId>): ReadonlyMap<JobId, Size> {
  const sizes = new Map<JobId, Size>();
  for (const id of grown) {
    const { places, spec } = view.job(id);
    if (gpusIn(places) > spec.gpus) sizes.set(id, sizeOn(places[0]!.node, spec.gpus));
  }
  grown.clear();
  return sizes;
}

/** On each node with free GPUs, one job more takes them. */
function grow(view: ClusterView): ReadonlyMap<JobId, Size> {
  if (view.nodes.freeTotal() === 0) return kept;
  const best = new Map<number, { readonly job: JobView; readonly extra: number }>();
  for (const job of view.running) {
    const { spec, places, beside, state } = job;
    const [here, ...others] = places;
    if (spec.range === undefined || here === undefined || others.length > 0 || beside.length > 0) continue;
    if (state !== "running") continue;
    const extra = Math.min(view.nodes.free(here.node), spec.range.max - here.gpus);
    if (extra > 0 && extra > (best.get(here.node)?.extra ?? 0)) best.set(here.node, { job, extra });
  }
  const sizes = new Map<JobId, Size>();
  for (const [node, { job, extra }] of best) sizes.set(job.spec.id, sizeOn(node, gpusIn(job.places) + extra));
  return sizes;
}

const sizeOn = (node: number, gpus: number): Size => ({ gpus, on: [{ node, gpus }] });
