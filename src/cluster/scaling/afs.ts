/**
 * Apathetic future share: of two jobs, GPUs go to the one whose speed they raise more for what the shorter one holds. Pair by pair,
 * that orders all jobs, without a look at what may arrive.
 */
import type { ClusterView } from "../decision.ts";
import { throughputSizes } from "../forecast.ts";
import type { JobView } from "../job.ts";
import { type Size, scaling } from "../scaling.ts";

interface Sharer {
  readonly job: JobView;
  /** Speed by GPUs, from 0 on. */
  readonly speed: readonly number[];
  /** Work left, where it is known. */
  readonly left: number | undefined;
  gpus: number;
}

export default scaling({
  title: "Apathetic Future Share (AFS)",
  paper: {
    title: "Elastic Resource Sharing for Distributed Deep Learning",
    venue: "NSDI 2021",
    url: "https://www.usenix.org/conference/nsdi21/presentation/hwang",
  },
  rows: ["afs"],
  idea: "Give each GPU to the winner of all pairs: of the shorter job a and the longer b, b wins if the speed it would gain on one more GPU, in parts of its speed with it, exceeds what a would gain in parts of its speed without it.",
  differs: [
    "Sizes go up by one GPU where a job was measured on all of them; speeds between measured powers of two are interpolated.",
    "Jobs whose work left nobody knows are AFS-P: they are taken to be as long as what they have done (attained service), as with `known` 0.",
    "A job keeps its size until something happens; GPUs of a job that ends are dealt anew with all others.",
  ],
  options: {
    known: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether lengths of jobs are looked at (AFS-L), or their past alone (AFS-P).",
    },
  },
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "tenants", factor: 1.5, where: "sim" },

  create: ({ known }) => ({
    sizes(view) {
      const jobs = [...view.running, ...view.waiting].map((job) => sharer(view, job, known > 0));
      deal(jobs, view.nodes.total());
      return new Map<string, Size>(
        [...jobs].sort((a, b) => b.gpus - a.gpus).map(({ job, gpus }) => [job.spec.id, { gpus }]),
      );
    },
  }),
});

/** Deals GPUs one by one: the champion of all comparisons gets the next (Alg. 1). */
function deal(jobs: readonly Sharer[], total: number): void {
  for (let free = total; free > 0; free--) {
    let best: Sharer | undefined;
    for (const job of jobs) {
      if (job.gpus + 1 >= job.speed.length || gain(job) <= 0) continue;
      if (best === undefined || beats(job, best)) best = job;
    }
    if (best === undefined) return;
    best.gpus++;
  }
}

const speedOf = ({ speed, gpus }: Sharer): number => speed[gpus]!;
const gain = ({ speed, gpus }: Sharer): number => speed[gpus + 1]! - speed[gpus]!;

/** Whether the next GPU is worth more to `a` than to `b` (eq. 4). Jobs without any come first, the shorter before the longer. */
function beats(a: Sharer, b: Sharer): boolean {
  if (a.gpus === 0 && b.gpus === 0) return length(a) < length(b);
  const [short, long] = length(a) <= length(b) ? [a, b] : [b, a];
  const longWins = gain(long) / (speedOf(long) + gain(long)) > gain(short) / Math.max(speedOf(short), Number.MIN_VALUE);
  return longWins ? a === long : a === short;
}

/** Seconds until it would be done with what it has; on one GPU while it has none. */
const length = ({ left, speed, gpus, job }: Sharer): number => (left ?? job.service) / (speed[Math.max(1, gpus)] || 1);

function sharer(view: ClusterView, job: JobView, known: boolean): Sharer {
  const { outlook, spec } = job;
  const points = throughputSizes(view.nodes, job);
  const most = points.at(-1)!.gpus;
  const least = points[0]!.gpus;
  const speed = Array.from({ length: most + 1 }, (_, gpus) =>
    gpus < least ? (gpus / least) * points[0]!.rate : between(points, gpus),
  );
  const left = outlook === undefined ? spec.duration : outlook.total - outlook.done;
  return { job, speed, left: known ? left : undefined, gpus: 0 };
}

/** Linear between measured sizes. */
function between(points: readonly { readonly gpus: number; readonly rate: number }[], gpus: number): number {
  const above = points.findIndex((point) => point.gpus >= gpus);
  const [high, low] = [points[above]!, points[Math.max(0, above - 1)]!];
  if (high.gpus === low.gpus) return high.rate;
  return low.rate + ((high.rate - low.rate) * (gpus - low.gpus)) / (high.gpus - low.gpus);
}
