/** Whether an event says something that the engine does not know. */
import type { JobId } from "./job.ts";
import type { JobRecord } from "./job-record.ts";
import type { ClusterEvent } from "./launcher.ts";
import type { NodesView } from "./node.ts";

/** Reports come late, twice, and of runs that have ended; only what changes something is taken in. */
export function isNews(event: ClusterEvent, jobs: ReadonlyMap<JobId, JobRecord>, nodes: NodesView): boolean {
  if (event.kind === "submitted") return !jobs.has(event.job.id);
  if (event.kind === "round") return true;
  if (event.kind === "node-lost") return nodes.usable(event.node);
  if (event.kind === "node-back") return !nodes.usable(event.node);
  const job = jobs.get(event.job);
  if (job === undefined) return false;
  if (event.kind === "cancelled") return job.outcome === undefined;
  // The end of a run is news while the run is there; and a job that has finished in any of its runs has finished.
  const current = job.run?.attempt === event.attempt;
  if (event.kind === "started") return current && !job.run!.started;
  return current || (event.kind === "finished" && job.outcome === undefined && event.attempt < job.launches);
}
