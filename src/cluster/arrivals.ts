/** The jobs that are there, in the order of their arrival: views list them by when they began to wait or to run. */
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";

export class Arrivals {
  readonly #jobs = new Set<JobId>();

  /** To be called at each decision. */
  see(view: ClusterView): void {
    for (const { spec } of view.arrived) this.#jobs.add(spec.id);
    for (const { spec } of view.ended) this.#jobs.delete(spec.id);
  }

  /** Those of the view, which leaves out jobs that scaling gives nothing. */
  present(view: ClusterView): JobView[] {
    const shown = new Set<JobId>();
    for (const { spec } of view.waiting) shown.add(spec.id);
    for (const { spec } of view.running) shown.add(spec.id);
    return [...this.#jobs].filter((id) => shown.has(id)).map((id) => view.job(id));
  }
}
