/** Pollux: GPUs go where they buy most goodput, found by a genetic search over who gets how many on which node. */
import { quickStream } from "../../core/random.ts";
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { gpusIn, type Share } from "../node.ts";
import { type Size, scaling } from "../scaling.ts";
import { WaitingOrder } from "../waiting-order.ts";
import { AllocationProblem } from "./pollux/allocation.ts";
import { deal } from "./pollux/deal.ts";
import { search } from "./pollux/genetic.ts";
import { adapts, isFixed, leastOf } from "./pollux/job-terms.ts";
import { adopt, type Outcome } from "./pollux/outcome.ts";

export default scaling({
  title: "Pollux",
  paper: {
    title: "Pollux: Co-adaptive Cluster Scheduling for Goodput-Optimized Deep Learning",
    venue: "OSDI 2021",
    url: "https://www.usenix.org/conference/osdi21/presentation/qiao",
  },
  rows: ["pollux"],
  idea: "Every job tells its goodput by GPUs and nodes, at its best batch size; a genetic search over matrices of jobs and nodes finds the highest power mean of their speed-ups over a fair share, less for those that would have to restart.",
  differs: [
    "The fair share that a speed-up is measured against is on one node, as in the published simulator.",
    "Utility, on which the paper's autoscaling of the cluster rests, is the search's second objective as in the published code, and the cluster is not scaled.",
    "A front is carried over to the next decision by the order of its jobs' service, not by job, and where jobs over several nodes meet on a node, single-node jobs behind them lose it too: the published code's rules, not the paper's.",
    "Children that exist already are drawn anew three times, not a hundred.",
    "The search ends when its best has not improved for `patience` generations, at a cost of about 1 % of mean completion time on a full cluster; the published code always takes all (`patience` 100).",
    "Where jobs that meet on a node slow each other (`crowd`), chance decides whether two long ones lie on one for hours: with half their speed lost, mean completion times by seed are -15 to +7 % of the published simulator's (one run of each of five workloads; -0.4 % over all), with a quarter -2.3 to +3.0 % (+0.2 %), with none -1.4 to +1.7 % (+0.2 %).",
    "Of jobs that wait, those with least service take part in the search, four (`crowded`) for each GPU: who is behind them could not get one.",
    "Where no job tells its goodput, as in traces of other clusters, and where jobs times nodes are more than `cells`, the search, which finds little among so many matrices, is replaced by steps towards the same mean: free GPUs go to those that wait, the smallest first; each node's are dealt anew at best (dynamic programming); jobs over several nodes and small ones make room where the mean gains. Among equals, who has had less service goes first. Mean completion time against the search: 1 % less on 2,000 jobs of Philly on 24 nodes, 24 % less on 640 of Pollux's jobs on 64; where the search stays, as much and 8 % more (two of Pollux's workloads).",
    "Jobs that tell no goodput (a trace's) are believed their measured rate, or to scale linearly.",
  ],
  options: {
    population: { default: 100, unit: "matrices", min: 2, help: "matrices that are kept" },
    generations: { default: 100, unit: "generations", min: 2, help: "of the search at each decision, at most" },
    patience: { default: 20, unit: "generations", min: 1, help: "without a better one, after which the search ends" },
    restart: { default: 30, unit: "seconds", min: 0, help: "that a restart is taken to cost" },
    power: {
      default: -1,
      unit: "exponent",
      min: -16,
      help: "of the mean over jobs; the more negative, the fairer; not 0",
    },
    crowd: { default: 0, unit: "0 or 1", min: 0, help: "1: jobs over several nodes may meet on a node" },
    crowded: { default: 4, unit: "jobs a GPU", min: 1, help: "of those that wait, that the search looks at" },
    cells: {
      default: 4096,
      unit: "jobs times nodes",
      min: 0,
      help: "up to which the search is made; beyond, and where no job tells its goodput, GPUs are dealt by node",
    },
    seed: { default: 1, unit: "seed", min: 0, help: "of the search" },
  },
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "elastic", factor: 1.8, where: "sim" },

  create({ population, generations, patience, restart, power, crowd, crowded, cells, seed }) {
    const random = quickStream(0x9011, seed);
    const options = { restartSeconds: restart, power, avoidInterference: crowd === 0 };
    const waiting = new WaitingOrder((job) => leastOf(job) + 1 - 1 / (1 + Math.log1p(job.service)));
    /** Who is there and tells its goodput; who is there and can have more or fewer GPUs than it asks for. */
    const adaptive = new Set<JobId>();
    const elastic = new Set<JobId>();
    let last: Outcome | undefined;
    return {
      adaptsBatch: true,
      unnamed: "held",
      sizes(view) {
        waiting.sync(view);
        for (const job of view.arrived) {
          if (adapts(job)) adaptive.add(job.spec.id);
          if (!isFixed(job)) elastic.add(job.spec.id);
        }
        for (const { spec } of view.ended) for (const jobs of [adaptive, elastic]) jobs.delete(spec.id);
        const present = view.waitingCount + view.runningCount;
        if (present === 0 || view.nodes.total() === 0) return new Map<JobId, Size>();
        if (adaptive.size === 0 || present * view.nodes.specs.length > cells) {
          last = undefined;
          const nodes = view.nodes.specs.filter((_, node) => view.nodes.usable(node));
          const scale = nodes.length / view.nodes.total();
          const terms = { restartSeconds: restart, power, scale, allFixed: elastic.size === 0, crowds: crowd === 1 };
          return deal({ view, jobs: present, ...terms }, waiting.waiting(view));
        }
        const jobs = byService(view, crowded * view.nodes.total());
        const problem = new AllocationProblem(view, jobs, options);
        const from = last === undefined ? [problem.base.slice()] : adopt(problem, last);
        const front = search(problem, from, random, { population, generations, patience });
        last = { jobs: jobs.map(({ spec }) => spec.id), nodes: problem.nodes, front };
        return new Map(jobs.map(({ spec }, row) => [spec.id, sized(problem.placesOf(front[0]!, row))]));
      },
    };
  },
});

/** Those that have had least come first: the search lets them keep what others lose. Of those that wait, no more than `most`. */
function byService({ waiting, running }: ClusterView, most: number): JobView[] {
  const ranked = (of: Iterable<JobView>): readonly Served[] => Array.from(of, (job) => ({ job, service: job.service }));
  const some = ranked(waiting);
  const jobs = [...(some.length > most ? some.toSorted(byLeast).slice(0, most) : some), ...ranked(running)];
  return jobs.sort(byLeast).map(({ job }) => job);
}

interface Served {
  readonly job: JobView;
  readonly service: number;
}

const byLeast = (a: Served, b: Served): number => a.service - b.service || a.job.spec.submit - b.job.spec.submit;

const sized = (on: readonly Share[]): Size => ({ gpus: gpusIn(on), on });
