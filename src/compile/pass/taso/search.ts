/**
 * TASO's Algorithm 2: graphs wait in a queue by cost, the cheapest is taken, and each graph that a substitution makes of it joins
 * the queue if it costs less than `alpha` times the best so far. With `alpha` of 1 only steps that gain are taken; above it,
 * the search goes through graphs that are worse to others that are better.
 */
import { Heap } from "../../../core/heap.ts";
import { type Cost, costOf, type Machine } from "./cost.ts";
import { applications, type Rule } from "./match.ts";
import type { TermId, Terms } from "./term.ts";

export interface SearchOptions {
  readonly alpha: number;
  /** Graphs that are taken from the queue, at most. */
  readonly graphsMax: number;
  readonly machine: Machine;
}

export interface Found {
  readonly outputs: readonly TermId[];
  readonly cost: Cost;
}

interface Candidate extends Found {
  /** Equal costs are taken in the order in which they were found. */
  readonly order: number;
}

export function search(
  terms: Terms,
  outputs: readonly TermId[],
  rules: readonly Rule[],
  { alpha, graphsMax, machine }: SearchOptions,
): Found {
  const before = (a: Candidate, b: Candidate): boolean =>
    a.cost.seconds < b.cost.seconds || (a.cost.seconds === b.cost.seconds && a.order < b.order);
  const queue = new Heap<Candidate>(before);
  const seen = new Set([`${outputs}`]);
  let best: Candidate = { outputs, cost: costOf(terms, outputs, machine), order: 0 };
  queue.push(best);
  for (let taken = 0; taken < graphsMax; taken++) {
    const graph = queue.pop();
    if (graph === undefined) break;
    for (const rule of rules) {
      for (const next of applications(terms, graph.outputs, rule)) {
        const key = `${next}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const candidate = { outputs: next, cost: costOf(terms, next, machine), order: seen.size };
        if (candidate.cost.seconds >= alpha * best.cost.seconds) continue;
        if (candidate.cost.seconds < best.cost.seconds) best = candidate;
        queue.push(candidate);
      }
    }
  }
  return best;
}
