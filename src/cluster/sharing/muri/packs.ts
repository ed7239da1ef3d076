/** The groups of Muri: who is a candidate, what a period of a group lasts, and one round of matching. */
import { Bins } from "../../bins.ts";
import type { ClusterView } from "../../decision.ts";
import { busySeconds, contention, efficiency, iterationSeconds, Periods } from "../../interleave.ts";
import type { JobView, Phases } from "../../job.ts";
import { type JobOrder, Kinds } from "../../job-order.ts";
import { maximumWeightMatching } from "../../matching.ts";

/** Jobs of one size that are to take turns. */
export type Pack = readonly JobView[];

/** By size, in the order in which sizes occur in the ranking. */
export type Classes = Map<number, readonly Pack[]>;

export interface Candidates {
  readonly classes: Classes;
  /** Of each of them: those that rank first have lower ones. */
  readonly ranks: ReadonlyMap<JobView, number>;
}

/** Jobs of one size, as they were met in the ranking, and how many of the first are candidates. */
interface SizeClass {
  readonly jobs: JobView[];
  chosen: number;
}

/** For every gang that fits into an empty cluster by rank, the next `perGang` jobs of its size. */
export function candidates({ nodes }: ClusterView, ranked: JobOrder, perGang: number): Candidates {
  const classes = new Map<number, SizeClass>();
  const ranks = new Map<JobView, number>();
  const bins = new Bins(nodes);
  const full = new Kinds();
  for (const job of ranked.without(full)) {
    const { gpus, spec } = job;
    let same = classes.get(gpus);
    if (same === undefined) classes.set(gpus, (same = { jobs: [], chosen: 0 }));
    ranks.set(job, ranks.size);
    if (same.jobs.push(job) <= same.chosen) continue;
    if (bins.take(gpus, spec.types) !== undefined) same.chosen += perGang;
    // A job that may run anywhere has met none of its size that could: all that are chosen of that size have been seen.
    else if (spec.types === undefined) full.add(job);
  }
  const packs = [...classes].map(([gpus, { jobs, chosen }]): [number, Pack[]] => [
    gpus,
    jobs.slice(0, chosen).map((job) => [job]),
  ]);
  return { classes: new Map(packs), ranks };
}

/** What packs last, and what they are worth. */
export class Prices {
  readonly #periods = new Periods();
  readonly #measured: boolean;

  /** With `measured`, a period includes what sharing was measured to cost. */
  constructor(measured: boolean) {
    this.#measured = measured;
  }

  /** Seconds of one iteration of every job of the pack. */
  period(pack: Pack): number {
    const factor = this.#measured ? (contention[pack.length] ?? 1) : 1;
    if (pack.length === 1) return factor * (iterationSeconds(pack[0]!.spec) ?? Number.POSITIVE_INFINITY);
    return factor * this.#periods.of(pack.map(({ spec }) => spec.phases!));
  }

  /** How much of all resources the two keep busy together; 0 where they cannot take turns. */
  weight(a: Pack, b: Pack, jobsMax: number): number {
    const both = [...a, ...b];
    if (both.length > jobsMax || !both.every(({ spec }) => hasPhases(spec.phases))) return 0;
    return efficiency(
      both.map(({ spec }) => spec.phases!),
      this.period(both),
    );
  }

  /** Whether it may take turns with others. */
  isOpen(pack: Pack, jobsMax: number): boolean {
    return pack.length < jobsMax && pack.every(({ spec }) => hasPhases(spec.phases));
  }

  /** Whether its jobs would be done sooner one after another. */
  isWorse(pack: Pack): boolean {
    return pack.length > 1 && this.period(pack) > pack.reduce((sum, job) => sum + this.period([job]), 0);
  }

  /** Packs of the same key weigh the same with every other, to the last bit: it hangs on the order in which times are added. */
  key(pack: Pack): string {
    return pack.map(({ spec: { phases } }) => (hasPhases(phases) ? this.#periods.kind(phases!) : -1)).join();
  }
}

/** One round: a matching of the packs of one size; a pair is merged while `wanted` says that it must be. */
export function merge(packs: readonly Pack[], prices: Prices, jobsMax: number, wanted: () => boolean): readonly Pack[] {
  const n = packs.length;
  const weights = weightsOf(packs, prices, jobsMax);
  if (weights === undefined) return packs;
  const mates = maximumWeightMatching(weights, n);
  const merged: Pack[] = [];
  for (const [i, pack] of packs.entries()) {
    const mate = mates[i]!;
    if (mate === -1) merged.push(pack);
    else if (mate < i && wanted()) merged.push([...packs[mate]!, ...pack]);
    else if (mate < i) merged.push(packs[mate]!, pack);
  }
  return merged;
}

/** Packs of the same phases have the same weights: each kind is weighed with each other kind once. Undefined where none is above 0. */
function weightsOf(packs: readonly Pack[], prices: Prices, jobsMax: number): Float64Array | undefined {
  // Jobs that nobody profiled, and packs that are full: on an overloaded cluster, a matrix of all pairs would be made in vain.
  if (!packs.some((pack) => prices.isOpen(pack, jobsMax))) return undefined;
  const n = packs.length;
  const kinds = new Map<string, number>();
  const examples: Pack[] = [];
  const kindOf = packs.map((pack) => {
    const key = prices.key(pack);
    const known = kinds.get(key);
    if (known !== undefined) return known;
    kinds.set(key, examples.length);
    return examples.push(pack) - 1;
  });
  const table = examples.map((a) => examples.map((b) => prices.weight(a, b, jobsMax)));
  if (table.every((row) => row.every((weight) => weight <= 0))) return undefined;
  const weights = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = table[kindOf[i]!]!;
    for (let j = 0; j < n; j++) if (i !== j) weights[i * n + j] = row[kindOf[j]!]!;
  }
  return weights;
}

const hasPhases = (phases: Phases | undefined): boolean => phases !== undefined && busySeconds(phases) > 0;
