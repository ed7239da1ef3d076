/** Themis: GPUs on lease, auctioned to those that are furthest from their fair finish. */

import { auction, type Bid } from "../auction.ts";
import type { ClusterView, Start } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { gpusIn } from "../node.ts";
import { scheduling } from "../scheduling.ts";
import { byProgram } from "./themis/by-program.ts";

export default scheduling({
  title: "Themis",
  paper: {
    title: "Themis: Fair and Efficient GPU Cluster Scheduling",
    venue: "NSDI 2020",
    url: "https://www.usenix.org/conference/nsdi20/presentation/mahajan",
  },
  rows: ["themis"],
  idea:
    "Give GPUs on lease; offer those that are free or whose lease has ended to the fraction 1 − f of jobs whose finish-time " +
    "fairness ρ (time here over time on a share of its own) is worst; they bid what ρ would be with each number of GPUs, a " +
    "partial-allocation auction takes the greatest product of 1/ρ and leaves each winner the part that costs others nothing, " +
    "and what is left goes to whoever is there.",
  differs: [
    "A job is an app of one job: it bids its gang, and powers of two within its elastic range where its speeds are known.",
    "Bids count GPUs, not which ones: placement is another slot.",
    "A hidden payment takes GPUs down to the next size that was bid, and never below the smallest: a gang is whole or nothing.",
    "What is left goes to the worst ρ first, where the paper draws at random.",
    "`program` is what the artifacts of ElasticFlow and Muri call Themis: the shares of time with the best worst fairness, by a convex program that has many optima, of which the path of their solver (ECOS) is followed to the same; an even share is taken for a speed in the job's own unit of work; the largest share goes first, with 2 the largest over launches had, with 3 over seconds had. Muri's artifact, run again, is found to the last digit; the figures published for its simulator are of another state of it, whose jobs were 1.5 % faster, and 3.6 % lower (trace3).",
    "Without an outlook a job's remaining time is taken to be what it was submitted with, less what it has run.",
  ],
  options: {
    lease: { default: 1200, unit: "seconds", min: 1, help: "how long GPUs are given for" },
    f: {
      default: 0.8,
      unit: "fraction",
      min: 0,
      help: "of the jobs, the best-off that are not offered anything; 0 to 1",
    },
    program: {
      default: 0,
      unit: "0 to 3",
      min: 0,
      help: "shares by a program in place of the auction, as in ElasticFlow's simulator (1), on Muri's testbed (2), in Muri's simulator (3)",
    },
  },
  claim: { metric: "fairnessWorst", better: "lower", than: "tiresias", on: "philly-like", factor: 2.25, where: "sim" },

  create({ lease, f, program }) {
    if (program > 0) return byProgram(program > 2 ? "second" : program > 1 ? "launch" : "nothing");
    const leases = new Map<JobId, number>();
    return {
      decide(view) {
        for (const { spec } of view.ended) leases.delete(spec.id);
        const over = [...view.running].filter(({ spec }) => (leases.get(spec.id) ?? 0) <= view.now);
        const free = view.nodes.freeTotal() + over.reduce((sum, job) => sum + held(job), 0);
        const contenders = [...view.waiting, ...over];
        if (free === 0 || contenders.length === 0) return { stop: [], start: [], ...wake(leases, view) };
        const given = share(view, contenders, free, f, lease);
        const stop: JobId[] = [];
        const start: Start[] = [];
        for (const job of over) if (given.get(job.spec.id) !== held(job)) stop.push(job.spec.id);
        for (const [id, gpus] of given) {
          leases.set(id, view.now + lease);
          // A job that asks for no GPUs holds as many before it starts.
          const job = view.job(id);
          if (held(job) !== gpus || job.state === "waiting") start.push({ job: id, gpus });
        }
        for (const id of stop) if (!given.has(id)) leases.delete(id);
        return { stop, start, ...wake(leases, view) };
      },
    };
  },
});

const held = ({ places }: JobView): number => gpusIn(places);

/** The next end of a lease, while there is somebody who could use it. */
function wake(leases: ReadonlyMap<JobId, number>, { now, waitingCount }: ClusterView): { readonly wake?: number } {
  const next = Math.min(...[...leases.values()].filter((end) => end > now));
  return waitingCount > 0 && Number.isFinite(next) ? { wake: next } : {};
}

/** GPUs for each that gets some. */
function share(
  view: ClusterView,
  contenders: readonly JobView[],
  free: number,
  f: number,
  lease: number,
): ReadonlyMap<JobId, number> {
  const jobs = view.waitingCount + view.runningCount;
  const fairShare = Math.max(1, view.nodes.total() / jobs);
  const worst = contenders
    .map((job) => ({ job, now: rho(job, view.now, fairShare, job.gpus, 0) }))
    .sort((a, b) => b.now - a.now || a.job.spec.submit - b.job.spec.submit)
    .map(({ job }) => job);
  const offered = worst.slice(0, Math.ceil((1 - f) * worst.length));
  const bids = offered.map((job) => bidOf(job, view.now, fairShare, lease));
  const given = new Map<JobId, number>();
  let left = free;
  for (const { bidder, items, kept } of auction(bids, free)) {
    const sizes = bids[bidder]!.map((offer) => offer.items);
    const size = Math.max(...sizes.filter((n) => n <= kept * items), Math.min(...sizes));
    given.set(offered[bidder]!.spec.id, size);
    left -= size;
  }
  for (const { spec, gpus } of worst) {
    if (given.has(spec.id) || gpus > left) continue;
    given.set(spec.id, gpus);
    left -= gpus;
  }
  return given;
}

/** ρ with each size now, against waiting for another lease. */
function bidOf(job: JobView, now: number, fairShare: number, lease: number): Bid {
  const without = rho(job, now, fairShare, job.gpus, lease);
  return sizesOf(job).map((items) => ({ items, gain: Math.log(without / rho(job, now, fairShare, items, 0)) }));
}

function sizesOf({ gpus, spec, outlook }: JobView): number[] {
  const { range } = spec;
  if (range === undefined || outlook === undefined) return [gpus];
  const sizes = new Set([gpus]);
  for (let n = 1; n <= range.max; n *= 2) if (n >= range.min) sizes.add(n);
  return [...sizes].sort((a, b) => a - b);
}

/** Finish-time fairness, §3.1: time in the cluster, if it gets `gpus` after `delay`, over time on its share alone. */
function rho(job: JobView, now: number, fairShare: number, gpus: number, delay: number): number {
  const { spec, outlook, ran } = job;
  const type = spec.types?.[0] ?? "";
  const alone = spec.duration ?? Math.max(1, ran);
  const whole =
    outlook === undefined ? alone : outlook.total / (outlook.rate(spec.gpus, 1, type) || outlook.total / alone);
  const speed = outlook === undefined ? 1 : outlook.rate(gpus, 1, type) / (outlook.rate(spec.gpus, 1, type) || 1) || 1;
  const left = outlook === undefined ? Math.max(1, alone - ran) : whole * (1 - outlook.done / outlook.total);
  const shared = now - spec.submit + delay + Math.max(left, 1e-9) / speed;
  return shared / (whole * Math.max(1, spec.gpus / fairShare));
}
