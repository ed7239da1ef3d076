/**
 * Max-min fairness on all levels: once the least cannot rise, those that still can go on rising (Gavel, OSDI 2020, §4.3); by itself,
 * or with the weight of each tenant handed down to its jobs.
 */
import type { Term } from "../../linear-program.ts";
import { solve } from "../../solver.ts";
import type { Claimant, Share, ShareRequest } from "../../time-shares.ts";
import {
  type Combination,
  copiesOf,
  evenThroughput,
  type Objective,
  type ShareProgram,
  scaled,
  shareProgram,
  solved,
} from "./program.ts";

/** Weights of the jobs that rise now; 0 for one that waits for its turn. `full` are those that can rise no more. */
export type Weigh = (jobs: readonly Claimant[], full: ReadonlySet<number>) => readonly number[];

export const byJob: Weigh = (jobs, full) => jobs.map(({ view }, i) => (full.has(i) ? 0 : view.spec.weight));

/** Each tenant has one share, divided among its jobs by their weights; what full jobs leave over goes to the others of the tenant. */
export const byTenant: Weigh = (jobs, full) => {
  const sums = new Map<string, number>();
  for (const [i, { view, copies = 1 }] of jobs.entries()) {
    const { tenant, weight } = view.spec;
    if (!full.has(i)) sums.set(tenant, (sums.get(tenant) ?? 0) + copies * weight);
  }
  return jobs.map(({ view: { spec } }, i) => (full.has(i) ? 0 : spec.weight / sums.get(spec.tenant)!));
};

/** Each tenant has one share, for the first of its jobs that can use more. */
export const byTenantInOrder: Weigh = (jobs, full) => {
  const served = new Set<string>();
  return jobs.map(({ view: { spec } }, i) => {
    if (full.has(i) || served.has(spec.tenant)) return 0;
    served.add(spec.tenant);
    return 1;
  });
};

/** Who rises by less than this part of an even share does not rise. */
const step = 1e-5;

export const waterFilling =
  (weigh: Weigh): Objective =>
  (request, combinations) => {
    const full = new Set<number>();
    const levels = request.jobs.map(() => 0);
    let shares: readonly Share[] | undefined;
    while (full.size < request.jobs.length) {
      const weights = weigh(request.jobs, full);
      const [risen, rise] = raised(request, combinations, levels, weights);
      if (risen === undefined) return shares;
      shares = risen;
      for (const [i, weight] of weights.entries()) levels[i]! += (rise * weight) / request.jobs[i]!.gpus;
      const stuck = bottlenecks(request, combinations, levels, weights);
      if (stuck.length === 0) return shares;
      for (const i of stuck) full.add(i);
    }
    return shares;
  };

/** Throughput over that of an even share. */
function relative(of: ShareProgram, i: number): Term[] {
  const even = evenThroughput(of.request.jobs[i]!, of.request.workers);
  return even > 0 ? scaled(of.throughput[i]!, 1 / even) : [];
}

/** Lifts all jobs of some weight as high as they can go together. */
function raised(
  request: ShareRequest,
  combinations: readonly Combination[],
  levels: readonly number[],
  weights: readonly number[],
): readonly [readonly Share[] | undefined, number] {
  const of = shareProgram("maximise", request, combinations);
  const rise = of.program.variable({ cost: 1 });
  for (const [i, level] of levels.entries()) {
    const terms = relative(of, i);
    if (terms.length === 0) continue;
    const lift = weights[i]! / request.jobs[i]!.gpus;
    // What has been promised is kept, but for the last digits of the solver.
    of.program.atLeast(level * (1 - 1e-9), lift > 0 ? [...terms, [rise, -lift]] : terms, copiesOf(request.jobs[i]!));
  }
  const best = solve(of.program)?.values[rise];
  if (best === undefined) return [undefined, 0];
  const held = shareProgram("minimise", request, combinations);
  for (const [i, level] of levels.entries()) {
    const least = level + (best * weights[i]!) / request.jobs[i]!.gpus;
    const terms = relative(held, i);
    if (terms.length > 0) held.program.atLeast(least * (1 - 1e-6) - 1e-9, terms, copiesOf(request.jobs[i]!));
  }
  return [solved(held), best];
}

/** Jobs of some weight that cannot rise by a step while nobody falls, however the step is given. */
function bottlenecks(
  request: ShareRequest,
  combinations: readonly Combination[],
  levels: readonly number[],
  weights: readonly number[],
): number[] {
  const of = shareProgram("maximise", request, combinations);
  const rises = levels.map((level, i) => {
    const can = weights[i]! > 0;
    const copies = copiesOf(request.jobs[i]!);
    const rise = of.program.variable({ cost: can ? 1 : 0, max: can ? step : 0, copies });
    of.program.atLeast(level * (1 - 1e-7), [...relative(of, i), [rise, -1]], copies);
    return rise;
  });
  const values = solve(of.program)?.values;
  return levels.flatMap((_, i) =>
    weights[i]! > 0 && !(values !== undefined && values[rises[i]!]! > step / 2) ? [i] : [],
  );
}
