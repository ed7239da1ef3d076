/** Chains of a directed acyclic graph: what a minimum of synchronisations and a maximum of concurrency are found with. */
import { Order } from "./launch-order.ts";

/** For each node, the earlier nodes that it follows. */
export type Edges = readonly (readonly number[])[];

/** The minimum equivalent graph: the edges that do not follow from others. It is unique, since there are no cycles. */
export function minimumEquivalent(after: Edges): readonly number[][] {
  const order = new Order(after.length);
  return after.map((earlier, node) => {
    const needed: number[] = [];
    for (const e of [...new Set(earlier)].sort((a, b) => b - a)) {
      if (!order.has(e, node)) needed.push(e);
      order.add(e, node);
    }
    return needed.reverse();
  });
}

/** For each node, the next one of its chain: a maximum matching of nodes with those that follow them. */
export function matchSuccessors(after: Edges): readonly (number | undefined)[] {
  const next = new Array<number | undefined>(after.length).fill(undefined);
  // One augmenting path from each node that follows others; it tries each predecessor at most once.
  const augment = (node: number, tried: Set<number>): boolean => {
    for (const e of after[node]!) {
      if (tried.has(e)) continue;
      tried.add(e);
      const taken = next[e];
      if (taken !== undefined && !augment(taken, tried)) continue;
      next[e] = node;
      return true;
    }
    return false;
  };
  for (const node of after.keys()) augment(node, new Set());
  return next;
}

/**
 * A stream for each node, numbered from 0: nodes that are not ordered are in different streams, and as few edges as
 * possible go from one stream to another. `after` is a minimum equivalent graph.
 */
export function streamsOf(after: Edges): readonly number[] {
  const streams = new Array<number | undefined>(after.length).fill(undefined);
  const next = matchSuccessors(after);
  let count = 0;
  return streams.map((_, node) => {
    const stream = streams[node] ?? count++;
    streams[node] = stream;
    const follower = next[node];
    if (follower !== undefined) streams[follower] = stream;
    return stream;
  });
}
