/**
 * Runs as rectangles: a share of a node takes as many lanes of it as it has GPUs, side by side where they are free.
 *
 * Pieces lie by node, in the order of their starts; `reach` is the latest end up to each, so that those within a window of time are
 * found by halving, however many there are.
 */
import type { Report, ReportPolicy } from "../../cluster/report/columns.ts";

export interface Pieces {
  /** Pieces of node `n` are `first[n]` to `first[n + 1]`. */
  readonly first: Uint32Array;
  readonly run: Uint32Array;
  readonly lane: Uint16Array;
  readonly lanes: Uint16Array;
  readonly reach: Float64Array;
}

export function piecesOf(report: Report, policy: ReportPolicy): Pieces {
  const nodes = report.nodes.length;
  const byNode = sharesByNode(policy, nodes);
  const runs: number[] = [];
  const lane: number[] = [];
  const lanes: number[] = [];
  const first = new Uint32Array(nodes + 1);
  for (let node = 0; node < nodes; node++) {
    const freeAt = new Float64Array(Math.max(1, report.nodeGpus[node]!)).fill(Number.NEGATIVE_INFINITY);
    for (let k = byNode.first[node]!; k < byNode.first[node + 1]!; k++) {
      const share = byNode.shares[k]!;
      const run = byNode.runs[k]!;
      for (const [at, width] of take(freeAt, policy.shareGpus[share]!, policy.runStart[run]!, policy.runEnd[run]!)) {
        runs.push(run);
        lane.push(at);
        lanes.push(width);
      }
    }
    first[node + 1] = runs.length;
  }
  const reach = new Float64Array(runs.length);
  for (let node = 0; node < nodes; node++) {
    let latest = Number.NEGATIVE_INFINITY;
    for (let k = first[node]!; k < first[node + 1]!; k++) {
      latest = Math.max(latest, policy.runEnd[runs[k]!]!);
      reach[k] = latest;
    }
  }
  return { first, run: Uint32Array.from(runs), lane: Uint16Array.from(lane), lanes: Uint16Array.from(lanes), reach };
}

/** Runs begin in order, so a count of each node's shares sorts them. */
function sharesByNode(
  policy: ReportPolicy,
  nodes: number,
): { first: Uint32Array; shares: Uint32Array; runs: Uint32Array } {
  const first = new Uint32Array(nodes + 1);
  for (const node of policy.shareNode) first[node + 1]!++;
  for (let node = 0; node < nodes; node++) first[node + 1]! += first[node]!;
  const next = first.slice();
  const [shares, runs] = [new Uint32Array(policy.shareNode.length), new Uint32Array(policy.shareNode.length)];
  for (let run = 0; run < policy.runJob.length; run++) {
    for (let share = policy.first[run]!; share < policy.first[run + 1]!; share++) {
      const k = next[policy.shareNode[share]!]!++;
      shares[k] = share;
      runs[k] = run;
    }
  }
  return { first, shares, runs };
}

/** Ends and starts at the same instant may differ by what half precision lost. */
const touch = 2;

/** Lanes for `width` GPUs: the first gap that is wide enough, else those that are free soonest, in pieces of neighbours. */
function take(freeAt: Float64Array, width: number, start: number, end: number): [lane: number, lanes: number][] {
  const wanted = Math.min(width, freeAt.length);
  let gap = 0;
  for (let lane = 0; lane < freeAt.length; lane++) {
    gap = freeAt[lane]! <= start + touch ? gap + 1 : 0;
    if (gap < wanted) continue;
    freeAt.fill(end, lane + 1 - wanted, lane + 1);
    return [[lane + 1 - wanted, wanted]];
  }
  const soonest = [...freeAt.keys()].sort((a, b) => freeAt[a]! - freeAt[b]!).slice(0, wanted);
  const pieces: [number, number][] = [];
  for (const lane of soonest.sort((a, b) => a - b)) {
    freeAt[lane] = Math.max(end, freeAt[lane]!);
    const last = pieces.at(-1);
    if (last !== undefined && last[0] + last[1] === lane) last[1]++;
    else pieces.push([lane, 1]);
  }
  return pieces;
}

/** The first piece of a node that may end after `time`. */
export function firstAfter({ first, reach }: Pieces, node: number, time: number): number {
  let [low, high] = [first[node]!, first[node + 1]!];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reach[middle]! > time) high = middle;
    else low = middle + 1;
  }
  return low;
}
