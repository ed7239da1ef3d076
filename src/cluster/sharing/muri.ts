/**
 * Jobs of one size that keep different resources busy take turns on the same GPUs: of the jobs that come first, those whose
 * phases fit together best, found by rounds of maximum weighted matching.
 */
import { slotCount } from "../interleave.ts";
import type { JobView } from "../job.ts";
import type { JobOrder } from "../job-order.ts";
import { RankOrder } from "../rank-order.ts";
import { fitting, regroup } from "../regroup.ts";
import { sharing } from "../sharing.ts";
import { type Classes, candidates, merge, type Pack, Prices } from "./muri/packs.ts";

export default sharing({
  title: "Muri",
  paper: {
    title: "Multi-Resource Interleaving for Deep Learning Training",
    venue: "SIGCOMM 2022",
    url: "https://doi.org/10.1145/3544216.3544224",
  },
  rows: ["muri"],
  idea: "Among the jobs of one size that rank first, pair those whose storage, CPU, GPU and network phases interleave best by a maximum weighted matching, then pair the pairs, until all fit; a group takes turns on the same GPUs.",
  differs: [
    "Pairs of a round are merged size by size, in the order in which sizes rank, and merging stops as soon as everybody fits (published simulator; the paper merges whole rounds).",
    "For every gang that would fit alone, the next four jobs of its size are candidates (simulator; the paper takes as many jobs as the cluster holds when all are grouped).",
    "A group whose period is longer than its jobs' iterations one after another is split again, and its jobs compete by rank (simulator).",
    "A period is longer than phases alone give, by what the authors measured for two, three and four jobs; `measured` 0 leaves it out.",
    "Where storage and CPU were not profiled apart, loading fills two slots of its job, as in the authors' traces of three stages.",
    "Jobs whose phases nobody profiled run alone.",
    "Of equally good matchings, the simulator's is found (`cluster/matching`): its figures for traces of thousands of jobs of a few models hang on it, by some percent.",
  ],
  options: {
    jobs: { default: slotCount, unit: "jobs", min: 1, help: "Most jobs that take turns on one GPU, up to 4." },
    measured: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether periods include what sharing was measured to cost.",
    },
    unpack: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether a group that is slower than its jobs in turn is split.",
    },
  },
  claim: { metric: "averageJct", better: "lower", than: "exclusive", on: "interleaved", factor: 1.6, where: "sim" },

  create({ jobs, measured, unpack }) {
    const jobsMax = Math.min(Math.floor(jobs), slotCount);
    const prices = new Prices(measured > 0);
    /** What is to be placed, without groups that are slower than their jobs in turn. */
    const worth = (classes: Classes): readonly Pack[] => {
      const packs: Pack[] = [];
      for (const pack of [...classes.values()].flat()) {
        if (unpack > 0 && pack.length > 1 && prices.isWorse(pack)) for (const job of pack) packs.push([job]);
        else packs.push(pack);
      }
      return packs;
    };
    const order = new RankOrder();
    return {
      jobsMax,
      share(view, decision) {
        const ranked = order.of(view, decision);
        const { classes, ranks } = candidates(view, ranked, jobsMax);
        const total = view.nodes.total();
        let required = [...classes].reduce((sum, [gpus, packs]) => sum + gpus * packs.length, 0);
        for (let round = 0; round < jobsMax && required > total; round++) {
          for (const [gpus, packs] of classes) {
            const wanted = (): boolean => {
              if (required <= total) return false;
              required -= gpus;
              return true;
            };
            if (required > total) classes.set(gpus, merge(packs, prices, jobsMax, wanted));
          }
        }
        const { stop, start } = regroup(view, fitting(view, byRank(ranked, ranks, worth(classes))));
        return { ...decision, stop, start, strict: false };
      },
    };
  },
});

/** The pack with the first job of all first; among equals, as they were packed. */
function byRank(order: JobOrder, ranks: ReadonlyMap<JobView, number>, packs: readonly Pack[]): readonly Pack[] {
  const { rank } = order;
  if (rank !== undefined) {
    const ranked = packs.map((pack) => ({ pack, rank: Math.min(...pack.map(rank)) }));
    return ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1)).map(({ pack }) => pack);
  }
  const first = new Array<Pack | undefined>(ranks.size).fill(undefined);
  for (const pack of packs) {
    let least = ranks.size;
    for (const job of pack) least = Math.min(least, ranks.get(job)!);
    first[least] = pack;
  }
  return first.filter((pack) => pack !== undefined);
}
