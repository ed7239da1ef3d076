/** Views of a small cluster, as a policy under test sees them. */
import type { ClusterView } from "../cluster/decision.ts";
import type { JobSpec, JobView } from "../cluster/job.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { Nodes } from "../cluster/nodes.ts";

export const jobSpec = (id: string, spec: Partial<JobSpec> = {}): JobSpec => ({
  ...{ id, submit: 0, gpus: 1, tenant: "a", priority: 0, weight: 1 },
  ...spec,
});

/** A job that waits, unless `view` gives it places. */
export function jobView(id: string, spec: Partial<JobSpec> = {}, view: Partial<JobView> = {}): JobView {
  const full = jobSpec(id, spec);
  return {
    ...{
      spec: full,
      state: view.places === undefined ? "waiting" : "running",
      gpus: full.gpus,
      places: [],
      beside: [],
    },
    ...{ service: 0, ran: 0, waited: 0, waitingSince: full.submit, turn: 0, restarts: 0 },
    ...view,
  };
}

export const nodeSpecs = (count: number, gpus: number, type = "v100"): NodeSpec[] =>
  Array.from({ length: count }, (_, i) => ({ id: `${type}-${i}`, type, gpus }));

/** Jobs on `nodes`: those with places run, and hold what they say. */
export function clusterView(
  jobs: readonly JobView[],
  nodes: readonly NodeSpec[] | Nodes,
  view: Partial<ClusterView> = {},
): ClusterView {
  const index = nodes instanceof Nodes ? nodes : new Nodes(nodes);
  const waiting = jobs.filter((job) => job.places.length === 0);
  const running = jobs.filter((job) => job.places.length > 0);
  for (const { places } of running) index.take(places);
  return {
    ...{ now: 0, nodes: index, waiting, waitingCount: waiting.length, running, runningCount: running.length },
    ...{ arrived: [], ended: [], requeued: [], sized: false, job: (id) => jobs.find((job) => job.spec.id === id)! },
    ...view,
  };
}
