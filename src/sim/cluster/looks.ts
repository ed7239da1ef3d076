/** When the cluster is looked at, where it is the model that says so, as in published simulators of ElasticFlow's kind. */
import type { JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { Clock, Seconds } from "../../time/clock.ts";

/** When jobs come, ascending. */
export const arrivalTimes = (jobs: readonly JobSpec[]): readonly Seconds[] =>
  [...new Set(jobs.map(({ submit }) => submit))].sort((a, b) => a - b);

/** Has the cluster decided at `at`; never, where that is no time. */
export function lookAt(at: Seconds, clock: Clock, report: (event: ClusterEvent) => void): void {
  if (Number.isFinite(at)) clock.at(at, () => report({ kind: "round", at }));
}
