/** What the search needs to know of a job: its bounds, its speed-up by size, and what a restart would cost it. */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import type { JobView } from "../../job.ts";

export interface JobTerms {
  readonly gpusMax: number;
  readonly gpusMin: number;
  /** What is left of its speed-up if it restarts now. */
  readonly restartFactor: number;
  /** Speed-up over its fair share by nodes and GPUs; NaN where it was not asked for yet. */
  readonly speedups: Float64Array;
  speedup(nodes: number, gpus: number): number;
}

/** `jobs`: among whom the cluster is shared. */
export function termsOf(job: JobView, view: ClusterView, jobs: number, restartSeconds: Seconds): JobTerms {
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
    gpusMin: outlook?.gpusMin ?? spec.range?.min ?? (outlook?.gpusMax === undefined ? spec.gpus : 1),
    restartFactor: Math.max(age - restarts * restartSeconds, 0) / (age + restartSeconds),
    speedups: new Float64Array((view.nodes.specs.length + 1) * (gpusMax + 1)).fill(Number.NaN),
    speedup: (nodes, gpus) => (goodput === undefined ? gpus : goodput(gpus, nodes)) / share,
  };
}

export function speedupOf(terms: JobTerms, nodes: number, gpus: number): number {
  const at = nodes * (terms.gpusMax + 1) + gpus;
  const known = terms.speedups[at]!;
  if (!Number.isNaN(known)) return known;
  const speedup = terms.speedup(nodes, gpus);
  terms.speedups[at] = speedup;
  return speedup;
}
