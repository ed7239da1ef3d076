/** Optimus: GPUs go, one by one, to the job whose remaining time shortens most. */
import { Arrivals } from "../arrivals.ts";
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { ObservedProgress } from "../observed-progress.ts";
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
    "By default the remaining work and the speed by size come from the job's outlook, an oracle where jobs were profiled, as in Pollux's simulation; with `fitted`, from losses and speeds that were seen, as in the paper, which fits speeds of workers and parameter servers apart.",
    "Fitted: what it costs to measure a few sizes before a job runs is left out; of a job that has told no loss yet, the mean of the others' work is assumed, and its priority is not lowered.",
    "A job keeps its places while its size stays; those that change are placed from the smallest to the largest by the scheduling entry `narrowest`.",
  ],
  options: {
    fitted: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: work and speed are fitted to what was seen, not asked for",
    },
    samples: {
      default: 4,
      unit: "sizes",
      min: 1,
      help: "fitted: sizes that are measured before a job runs: 1, 2, 4, …",
    },
  },
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "philly-like", factor: 1.4, where: "sim" },

  create({ fitted, samples }) {
    const arrivals = new Arrivals();
    const observed = fitted === 0 ? undefined : new ObservedProgress(samples);
    return {
      sizes(view) {
        arrivals.see(view);
        const jobs = arrivals.present(view);
        observed?.see(view, jobs);
        return marginalGains(view, jobs, (job) => observed?.remaining(job) ?? remaining(job, view));
      },
    };
  },
});

/** Seconds that a job is expected to need on so many GPUs. */
type Remaining = (gpus: number) => number;

function marginalGains(
  { nodes }: ClusterView,
  jobs: readonly JobView[],
  remainingOf: (job: JobView) => Remaining,
): Map<JobId, Size> {
  let free = nodes.total();
  const given = new Map<JobView, number>();
  const gains = new Map<JobView, number>();
  const expected = new Map<JobView, Remaining>();
  const gainOf = (job: JobView): number => {
    const gpus = given.get(job)!;
    if (job.outlook === undefined || free === 0 || gpus + 1 > gpusMax(job)) return 0;
    const seconds = expected.get(job)!;
    return seconds(gpus) - seconds(gpus + 1);
  };
  for (const job of jobs) {
    const least = job.outlook === undefined ? job.spec.gpus : (job.spec.range?.min ?? 1);
    given.set(job, least > free ? 0 : least);
    if (least > free) continue;
    free -= least;
    expected.set(job, remainingOf(job));
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

/** By the job's outlook, on as few nodes as hold the GPUs. */
function remaining({ outlook, spec }: JobView, { nodes }: ClusterView): Remaining {
  const type = spec.types?.[0] ?? nodes.types[0]!;
  return (gpus) => {
    const rate = outlook?.rate(gpus, Math.ceil(gpus / nodes.gpusMax), type) ?? 0;
    return rate > 0 ? (outlook!.total - outlook!.done) / rate : Number.POSITIVE_INFINITY;
  };
}
