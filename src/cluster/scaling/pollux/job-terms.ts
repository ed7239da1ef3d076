/** What the search needs to know of a job: its bounds, its speed-up by size, and what a restart would cost it. */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobView } from "../../job.ts";

export interface Claim {
  readonly gpusMax: number;
  readonly gpusMin: number;
  /** What is left of its speed-up if it restarts now. */
  readonly restartFactor: number;
  /** Over its fair share. */
  speedup(nodes: number, gpus: number): number;
}

export interface JobTerms extends Claim {
  /** Speed-up over its fair share by nodes and GPUs; NaN where it was not asked for yet. */
  readonly speedups: Float64Array;
}

/** Whether the job adapts, as Pollux's do: it tells its goodput, or how many GPUs it dares to ask for until it knows that. */
export const adapts = ({ outlook }: JobView): boolean =>
  outlook?.goodput !== undefined || (outlook?.gpusMax !== undefined && outlook.gpusMin === undefined);

/** Whether the job runs on the GPUs that it asks for, and on no others. */
export const isFixed = (job: JobView): boolean =>
  !adapts(job) &&
  leastOf(job) === job.spec.gpus &&
  (job.outlook?.gpusMax ?? job.spec.range?.max ?? job.spec.gpus) === job.spec.gpus;

/** Fewest GPUs that it can run on. */
export const leastOf = ({ outlook, spec }: JobView): number =>
  outlook?.gpusMin ?? spec.range?.min ?? (outlook?.gpusMax === undefined ? spec.gpus : 1);

/** `jobs`: among whom the cluster is shared. */
export function claimOf(job: JobView, view: ClusterView, jobs: number, restartSeconds: Seconds): Claim {
  const { outlook, spec, restarts } = job;
  const total = view.nodes.total();
  const fair = Math.ceil(total / jobs);
  const age = view.now - spec.submit;
  const type = view.nodes.types[0]!;
  const goodput =
    outlook?.goodput ??
    (outlook !== undefined && outlook.rate(1, 1, type) > 0
      ? (gpus: number, nodes: number) => outlook.rate(gpus, nodes, type)
      : undefined);
  const share = goodput?.(fair, 1) ?? fair;
  const gpusMax = Math.min(outlook?.gpusMax ?? spec.range?.max ?? spec.gpus, total);
  return {
    gpusMax,
    gpusMin: leastOf(job),
    restartFactor: Math.max(age - restarts * restartSeconds, 0) / (age + restartSeconds),
    speedup: (nodes, gpus) => (goodput === undefined ? gpus : goodput(gpus, nodes)) / share,
  };
}

export function termsOf(job: JobView, view: ClusterView, jobs: number, restartSeconds: Seconds): JobTerms {
  const claim = claimOf(job, view, jobs, restartSeconds);
  const sizes = (view.nodes.specs.length + 1) * (claim.gpusMax + 1);
  return { ...claim, speedups: new Float64Array(sizes).fill(Number.NaN) };
}

export function speedupOf(terms: JobTerms, nodes: number, gpus: number): number {
  const at = nodes * (terms.gpusMax + 1) + gpus;
  const known = terms.speedups[at]!;
  if (!Number.isNaN(known)) return known;
  const speedup = terms.speedup(nodes, gpus);
  terms.speedups[at] = speedup;
  return speedup;
}
