/** Optimus: GPUs go, one by one, to the job whose remaining time shortens most. */
import { Heap } from "../../core/heap.ts";
import { Arrivals } from "../arrivals.ts";
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { LeastLines } from "../least-lines.ts";
import { ObservedProgress } from "../observed-progress.ts";
import { holds, type Size, scaling } from "../scaling.ts";

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
    const lines = new LeastLines({ rank: (job) => arrivals.order(job), least });
    const observed = fitted === 0 ? undefined : new ObservedProgress(samples);
    return {
      unnamed: "held",
      sizes(view) {
        arrivals.see(view);
        lines.sync(view);
        observed?.see(view);
        let free = view.nodes.total();
        const shares: Given[] = [];
        for (const job of lines.walk(view.running, () => free)) {
          const begins = least(job);
          const gpus = begins > free ? 0 : begins;
          free -= gpus;
          shares.push({ job, order: shares.length, gpus });
        }
        dealGains(shares, free, (job) => observed?.remaining(job) ?? remaining(job, view));
        const sizes = new Map<JobId, Size>();
        for (const { job, gpus } of shares) if (!holds(job, gpus)) sizes.set(job.spec.id, { gpus });
        return sizes;
      },
    };
  },
});

/** Seconds that a job is expected to need on so many GPUs. */
type Remaining = (gpus: number) => number;

/** What it can begin with. */
const least = ({ outlook, spec }: JobView): number =>
  outlook === undefined ? spec.gpus : (outlook.gpusMin ?? spec.range?.min ?? 1);

/** What a job is given, in the order of arrival. */
interface Given {
  readonly job: JobView;
  readonly order: number;
  gpus: number;
}

interface Gain {
  readonly given: Given;
  readonly most: number;
  readonly seconds: Remaining;
  /** That one GPU more saves. */
  saved: number;
}

/** Deals further GPUs, one by one, to whom one more saves most; of equals, to who came first. */
function dealGains(shares: readonly Given[], free: number, remainingOf: (job: JobView) => Remaining): void {
  if (free === 0) return;
  const gains: Gain[] = [];
  let wanted = 0;
  for (const given of shares) {
    const most = given.gpus > 0 ? gpusMax(given.job) : 0;
    if (given.gpus >= most) continue;
    gains.push({ given, most, seconds: remainingOf(given.job), saved: 0 });
    wanted += most - given.gpus;
  }
  if (wanted <= free) {
    // Nobody takes a GPU from anybody.
    for (const gain of gains) while (gainsMore(gain)) gain.given.gpus++;
    return;
  }
  const heap = new Heap<Gain>((a, b) => (a.saved === b.saved ? a.given.order < b.given.order : a.saved > b.saved));
  for (const gain of gains) if (gainsMore(gain)) heap.push(gain);
  for (let left = free; left > 0; left--) {
    const best = heap.pop();
    if (best === undefined) return;
    best.given.gpus++;
    if (gainsMore(best)) heap.push(best);
  }
}

/** Whether one GPU more saves time, and how much. */
function gainsMore(gain: Gain): boolean {
  const { most, seconds } = gain;
  const { gpus } = gain.given;
  if (gpus + 1 > most) return false;
  gain.saved = seconds(gpus) - seconds(gpus + 1);
  return gain.saved > 0;
}

/** What the job says itself, else its user's range, else what it asked for; nothing where nobody knows its speed. */
function gpusMax({ outlook, spec }: JobView): number {
  return outlook === undefined ? 0 : (outlook.gpusMax ?? spec.range?.max ?? spec.gpus);
}

/** By the job's outlook, on as few nodes as hold the GPUs. */
function remaining({ outlook, spec }: JobView, { nodes }: ClusterView): Remaining {
  const type = spec.types?.[0] ?? nodes.types[0]!;
  return (gpus) => {
    const rate = outlook?.rate(gpus, Math.ceil(gpus / nodes.gpusMax), type) ?? 0;
    return rate > 0 ? (outlook!.total - outlook!.done) / rate : Number.POSITIVE_INFINITY;
  };
}
