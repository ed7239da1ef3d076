/** An order of jobs that is kept from decision to decision: simulators that sort one list again and again decide by it among equals. */
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { type JobOrder, listed } from "./job-order.ts";

export class KeptOrder {
  readonly #rank: (job: JobView) => number;
  readonly #widest: boolean;
  #kept: readonly JobId[] = [];

  /** Lower first; equals as at the last decision, the `widest` first of them if asked for, and who is new last. */
  constructor(rank: (job: JobView) => number, { widest = false } = {}) {
    this.#rank = rank;
    this.#widest = widest;
  }

  /** All jobs of a view: to be asked once at each decision. */
  of(view: ClusterView): JobOrder {
    const ranked = presentOf(this.#kept, view).map((job) => ({ job, rank: withoutRounding(this.#rank(job)) }));
    ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1));
    const jobs = ranked.map(({ job }) => job);
    const next = this.#widest ? jobs.toSorted((a, b) => b.gpus - a.gpus) : jobs;
    this.#kept = next.map(({ spec }) => spec.id);
    const ranks = new Map(ranked.map(({ job, rank }) => [job, rank]));
    return { ...listed(() => jobs), rank: (job) => ranks.get(job)! };
  }
}

/** Equal where two sums of the same terms, or ways to multiply them, may differ. */
const withoutRounding = (rank: number): number => Number(rank.toPrecision(11));

/** Those of an order that are still there, then who is new, as they came. */
export function presentOf(kept: readonly JobId[], view: ClusterView): readonly JobView[] {
  const present = new Map([...view.running, ...view.waiting].map((job) => [job.spec.id, job]));
  const old = kept.flatMap((id) => present.get(id) ?? []);
  for (const { spec } of old) present.delete(spec.id);
  return [...old, ...[...present.values()].sort((a, b) => a.spec.submit - b.spec.submit)];
}
