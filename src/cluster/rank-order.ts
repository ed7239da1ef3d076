/** The order in which a decision would have jobs run, for those that decide anew who of them does. */
import type { ClusterView, Decision } from "./decision.ts";
import type { JobView } from "./job.ts";
import { type JobOrder, listed, oneAfterAnother, only } from "./job-order.ts";
import { WaitingOrder } from "./waiting-order.ts";

export class RankOrder {
  readonly #waiting = new WaitingOrder();

  /** All jobs that could run, first first: as scheduling ranks them, else who runs, and then who waits. To be asked at each decision. */
  of(view: ClusterView, decision: Decision): JobOrder {
    if (decision.order !== undefined) {
      // Scheduling keeps an order of its own: one of the same jobs here would only cost.
      this.#waiting.forget();
      return decision.order;
    }
    this.#waiting.sync(view);
    const started = new Set(decision.start.map(({ job }) => view.job(job)));
    const stopped = new Set(decision.stop.map((id) => view.job(id)));
    const goingOn: JobView[] = [];
    const leaving: JobView[] = [];
    for (const job of view.running) {
      if (stopped.has(job) && !started.has(job)) leaving.push(job);
      else if (!started.has(job)) goingOn.push(job);
    }
    return oneAfterAnother(
      listed(() => [...goingOn, ...started]),
      only(this.#waiting.waiting(view), (job) => !started.has(job)),
      listed(() => leaving),
    );
  }
}
