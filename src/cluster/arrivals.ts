/** The jobs that are there, in the order of their arrival: views list them by when they began to wait or to run. */
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";

export class Arrivals {
  readonly #orders = new Map<JobId, number>();
  #arrived = 0;

  /** To be called at each decision. */
  see(view: ClusterView): void {
    for (const { spec } of view.arrived) this.#orders.set(spec.id, this.#arrived++);
    for (const { spec } of view.ended) this.#orders.delete(spec.id);
  }

  /** Lower for who came earlier. */
  order({ spec }: JobView): number {
    return this.#orders.get(spec.id) ?? Number.POSITIVE_INFINITY;
  }

  /** Those of the view, which leaves out jobs that scaling gives nothing. */
  present(view: ClusterView): JobView[] {
    const jobs = [...view.waiting, ...view.running].flatMap((job) => {
      const order = this.#orders.get(job.spec.id);
      return order === undefined ? [] : { job, order };
    });
    return jobs.sort((a, b) => a.order - b.order).map(({ job }) => job);
  }
}
