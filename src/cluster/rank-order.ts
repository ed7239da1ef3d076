/** The order in which a decision would have jobs run, for those that decide anew who of them does. */
import type { ClusterView, Decision } from "./decision.ts";
import type { JobView } from "./job.ts";

/** All jobs that could run, first first: as scheduling ranks them, else who runs, and then who waits. */
export function ranking(view: ClusterView, decision: Decision): readonly JobView[] {
  if (decision.order !== undefined) return decision.order.map((id) => view.job(id));
  const started = new Set(decision.start.map(({ job }) => view.job(job)));
  const stopped = new Set(decision.stop.map((id) => view.job(id)));
  const goingOn = [...view.running].filter((job) => !started.has(job) && !stopped.has(job));
  const taken = new Set([...started, ...goingOn]);
  const rest = [...view.waiting, ...view.running].filter((job) => !taken.has(job));
  return [...goingOn, ...started, ...rest];
}
