/** Optimus: GPUs go, one by one, to the job whose remaining time shortens most. */
import { Arrivals } from "../arrivals.ts";
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView, Outlook } from "../job.ts";
import { type Size, scaling } from "../scaling.ts";

export default scaling({
  title: "Optimus",
  paper: {
    title: "Optimus: An Efficient Dynamic Resource Scheduler for Deep Learning Clusters",
    venue: "EuroSys 2018",
    url: "https://doi.org/10.1145/3190508.3190517",
  },
  rows: ["optimus"],
  idea: "Give every job one GPU in the order of arrival, then each further GPU to the job whose predicted remaining time it shortens most, until none is shortened.",
  differs: [
    "Workers and parameter servers are one: GPUs that all-reduce, as in Pollux's simulation of it.",
    "The remaining work and the speed by size come from the job's outlook, an oracle where jobs were profiled; the paper fits both to what the job reports.",
    "A job keeps its places while its size stays; those that change are placed from the smallest to the largest by the scheduling entry `narrowest`.",
  ],
  options: {},
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "philly-like", factor: 1.4, where: "sim" },

  create() {
    const arrivals = new Arrivals();
    return {
      sizes(view) {
        arrivals.see(view);
        return marginalGains(view, arrivals.present(view));
      },
    };
  },
});

function marginalGains(view: ClusterView, jobs: readonly JobView[]): Map<JobId, Size> {
  const { nodes } = view;
  let free = nodes.total();
  const given = new Map<JobView, number>();
  const gains = new Map<JobView, number>();
  const gainOf = (job: JobView): number => {
    const { outlook, spec } = job;
    const gpus = given.get(job)!;
    if (outlook === undefined || free === 0 || gpus + 1 > gpusMax(job)) return 0;
    return remaining(outlook, gpus, view, spec.types) - remaining(outlook, gpus + 1, view, spec.types);
  };
  for (const job of jobs) {
    const least = job.outlook === undefined ? job.spec.gpus : (job.spec.range?.min ?? 1);
    given.set(job, least > free ? 0 : least);
    if (least > free) continue;
    free -= least;
    gains.set(job, gainOf(job));
  }
  while (free > 0) {
    let best: JobView | undefined;
    let most = 0;
    for (const [job, gain] of gains) {
      if (gain <= most) continue;
      most = gain;
      best = job;
    }
    if (best === undefined) break;
    given.set(best, given.get(best)! + 1);
    gains.set(best, gainOf(best));
    free--;
  }
  return new Map([...given].map(([{ spec }, gpus]) => [spec.id, { gpus }]));
}

/** What the job says itself, else its user's range, else what it asked for. */
const gpusMax = ({ outlook, spec }: JobView): number => outlook?.gpusMax ?? spec.range?.max ?? spec.gpus;

/** Seconds that are left on so many GPUs, on as few nodes as hold them. */
function remaining(
  outlook: Outlook,
  gpus: number,
  { nodes }: ClusterView,
  types: readonly string[] | undefined,
): number {
  const rate = outlook.rate(gpus, Math.ceil(gpus / nodes.gpusMax), types?.[0] ?? nodes.types[0]!);
  return rate > 0 ? (outlook.total - outlook.done) / rate : Number.POSITIVE_INFINITY;
}
