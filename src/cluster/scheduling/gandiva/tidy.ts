/**
 * Migration while nobody waits (Gandiva, §4.2): a job that spans more nodes than it must comes together as soon as it can, and the
 * emptiest node in use is emptied into fuller ones, so that the next gang finds room.
 */
import { Bins } from "../../bins.ts";
import { type ClusterView, type Decision, nothing } from "../../decision.ts";
import type { JobView } from "../../job.ts";
import { tightest } from "../../make-room.ts";
import { allows, gpusIn, type Share } from "../../node.ts";

/** The part of a node's GPUs that must be free for it to be emptied: 3 of 4 in the paper. */
const sparse = 0.75;

/** Moves of one kind: closer together if any job can, else off the emptiest node. */
export function tidy(view: ClusterView): Decision {
  const bins = new Bins(view.nodes, "as-is");
  const movable = [...view.running].filter(
    ({ state, beside, places, gpus }) => state === "running" && beside.length === 0 && gpusIn(places) === gpus,
  );
  const closer = movable.flatMap((job) => together(view, bins, job) ?? []);
  return movesOf(closer.length > 0 ? closer : emptied(view, bins, movable));
}

interface Move {
  readonly job: JobView;
  readonly on: readonly Share[];
}

const movesOf = (moves: readonly Move[]): Decision =>
  moves.length === 0
    ? nothing
    : {
        stop: moves.map(({ job }) => job.spec.id),
        start: moves.map(({ job, on }) => ({ job: job.spec.id, on })),
      };

function together({ nodes }: ClusterView, bins: Bins, job: JobView): Move | undefined {
  const { places, gpus, spec } = job;
  if (places.length <= Math.ceil(gpus / nodes.gpusMax)) return undefined;
  bins.release(places);
  const on = bins.take(gpus, spec.types);
  if (on !== undefined && on.length < places.length) return { job, on };
  if (on !== undefined) bins.release(on);
  bins.hold(places);
  return undefined;
}

/** All jobs of the node in use with the most free GPUs, if each finds a fuller node. */
function emptied({ nodes }: ClusterView, bins: Bins, movable: readonly JobView[]): readonly Move[] {
  const jobs = new Map<number, JobView[]>();
  for (const job of movable) {
    const node = job.places[0]!.node;
    if (job.places.length === 1) jobs.set(node, [...(jobs.get(node) ?? []), job]);
  }
  const isSparse = (node: number): boolean => {
    const { gpus } = nodes.specs[node]!;
    const here = jobs.get(node)!.reduce((n, job) => n + job.gpus, 0);
    return bins.free(node) >= sparse * gpus && bins.free(node) + here === gpus;
  };
  const [node] = [...jobs.keys()].filter(isSparse).sort((a, b) => bins.free(b) - bins.free(a));
  if (node === undefined) return [];
  const free = bins.free(node);
  const moves: Move[] = [];
  for (const job of jobs.get(node)!) {
    const on = tightest(nodes, bins, job.gpus, node, (type) => allows(job.spec.types, type));
    if (on === undefined) return [];
    const to = on[0]!.node;
    // An empty node, or one as empty as this, would win nothing.
    if (bins.free(to) >= free || bins.free(to) === nodes.specs[to]!.gpus) return [];
    bins.hold(on);
    moves.push({ job, on });
  }
  return moves;
}
