/**
 * Deadlines kept: a job is admitted only if the least share that meets its deadline can be promised to it beside all promises made;
 * what is left over goes to whom more GPUs cost the least.
 */

import { placed, settle } from "../buddies.ts";
import type { ClusterView } from "../decision.ts";
import { Forecast, gpuSeconds, needOf, type Piece } from "../forecast.ts";
import type { JobId, JobView } from "../job.ts";
import { type Size, scaling } from "../scaling.ts";
import { inSlots } from "../slot-shares.ts";
import { type Promised, Undated } from "./elasticflow/undated.ts";

interface Plan {
  readonly promised: readonly Promised[];
  /** Jobs whose deadlines cannot be met any more. */
  readonly late: number;
}

export default scaling({
  title: "ElasticFlow",
  paper: {
    title: "ElasticFlow: An Elastic Serverless Training Platform for Distributed Deep Learning",
    venue: "ASPLOS 2023",
    url: "https://doi.org/10.1145/3575693.3575721",
  },
  rows: ["elasticflow"],
  idea: "By deadline, promise each job the smallest power of two of GPUs that meets it over future time; reject a new job whose promise would break another; give spare GPUs one doubling at a time where they save most GPU time.",
  differs: [
    "Time is cut where promises begin and end, and not into slots, unless `published` is set.",
    "`published`: the rules of the published simulator that are not the paper's. Slots are counted from each decision. The last slots before a deadline are filled first, with the smallest size that suffices there; slots before those hold one size less.",
    "`published`: a spare size goes to who has nothing, else to whom it costs the *most* GPU time for each GPU; it is priced as held until what is free changes, with the minimum share after that; a minimum share is priced up to the next change before the deadline, though it ends sooner.",
    "`published`: jobs that come together are admitted together or not at all, and nobody is admitted while anybody is late; who is late gets all it can use. Everybody is placed anew at each decision, largest first.",
    "`published`: no size is left out for being slower than a smaller one. Of equal deadlines, and those of jobs without one, whoever was given more at the last decision comes first.",
    "`published`: a job works no longer than its plan says, though its start made it later: the plan of its minimum share (1, as in the published results), or the one with the spare GPUs that it got (2, as since November 2023).",
    "Where planning anew would break a promise, the old plan is kept: progressive filling is not monotone. A job that restarts have made late comes after all promises.",
    "Jobs without a deadline are promised their least size after all others and never rejected.",
    "`reserve` keeps part of the time to a deadline for restarts, which the plan does not price.",
    "Sizes above the one of the highest throughput, and those slower than a smaller one, are never given, unless `published` is set.",
  ],
  options: {
    reserve: {
      default: 0,
      unit: "of the time left",
      min: 0,
      help: "Part of the time to a deadline that is not promised.",
    },
    slot: {
      default: 1,
      unit: "seconds",
      min: 0.001,
      help: "Least time to a decision that nothing but the plan asks for; the length of a slot, where plans are made in slots.",
    },
    published: {
      default: 0,
      unit: "0, 1 or 2",
      min: 0,
      help: "Whether to plan as the published simulator does: in slots, the last before a deadline first; 1 as of its results, 2 as of its last change; see `differs`.",
    },
  },
  claim: { metric: "deadlinesMet", better: "higher", than: "requested", on: "tenants", factor: 1.8, where: "sim" },

  create({ reserve, slot, published }) {
    if (published > 0) return inSlots({ reserve, slot, endsWith: published > 1 ? "spare" : "minimum" });
    const plans = new Map<JobId, readonly Piece[]>();
    const undated = new Undated(reserve);
    let rejected: JobId[] = [];
    let wake: number | undefined;
    return {
      unnamed: "held",
      sizes(view) {
        rejected = [];
        for (const { spec } of view.ended) plans.delete(spec.id);
        const fresh = new Set(view.arrived.filter(({ state }) => state === "waiting"));
        undated.sync(view, fresh);
        if (undated.isAll) {
          const { promised, next } = undated.promise(view, fresh);
          wake = next && Math.max(view.now + slot, next);
          return sizesOf(view, promised);
        }
        const old = [...view.running, ...view.waiting].filter((job) => !fresh.has(job));
        let plan = promise(view, old, reserve);
        if (plan.late > 0) plan = keep(view, old, plans) ?? plan;
        for (const job of fresh) {
          const more = promise(view, [...plan.promised.map((one) => one.job), job], reserve);
          if (more.late > plan.late) rejected.push(job.spec.id);
          else plan = more;
        }
        plans.clear();
        for (const { job, pieces } of plan.promised) plans.set(job.spec.id, pieces);
        wake = nextChange(view, plan.promised, slot);
        return sizesOf(view, plan.promised);
      },
      rejected: () => rejected,
      wake: () => wake,
    };
  },
});

/** Alg. 1: shares by deadline. A job that can meet its deadline no longer comes after all others, and then as soon as it can. */
function promise(view: ClusterView, jobs: readonly JobView[], reserve: number): Plan {
  const forecast = new Forecast(view.now, view.nodes.total());
  const dated = jobs
    .map((job) => ({ job, need: needOf(view, job, reserve) }))
    .sort((a, b) => a.need.deadline - b.need.deadline);
  const promised: Promised[] = [];
  const late: typeof dated = [];
  for (const one of dated) {
    const pieces = forecast.minimumShare(one.need);
    if (pieces === undefined) late.push(one);
    else {
      forecast.take(pieces);
      promised.push({ ...one, pieces });
    }
  }
  for (const one of late) {
    const pieces = forecast.soonest(one.need);
    forecast.take(pieces);
    promised.push({ ...one, pieces });
  }
  return { promised, late: late.length };
}

/** What was promised, from now on; undefined where somebody is behind it, or has no promise. */
function keep(
  view: ClusterView,
  jobs: readonly JobView[],
  plans: ReadonlyMap<JobId, readonly Piece[]>,
): Plan | undefined {
  const promised = jobs.map((job) => ({
    job,
    need: needOf(view, job, 0),
    pieces: (plans.get(job.spec.id) ?? [])
      .filter(({ to }) => to > view.now)
      .map((piece) => ({ ...piece, from: Math.max(piece.from, view.now) })),
  }));
  const suffices = ({ need, pieces }: Promised): boolean => {
    const rate = (gpus: number): number => need.sizes.find((size) => size.gpus === gpus)?.rate ?? 0;
    const done = pieces.reduce((sum, { from, to, gpus }) => sum + (to - from) * rate(gpus), 0);
    return done >= need.work * (1 - 1e-6);
  };
  return promised.every(suffices) ? { promised, late: 0 } : undefined;
}

/** Alg. 2: spare GPUs. */
function sizesOf(view: ClusterView, plan: readonly Promised[]): Map<JobId, Size> {
  const now = plan.map(({ pieces: [first] }) => (first?.from === view.now ? first.gpus : 0));
  let spare = view.nodes.total();
  for (const gpus of now) spare -= gpus;
  // Who can have more than it has.
  const open = [...plan.keys()].filter((i) => plan[i]!.need.sizes.at(-1)!.gpus > now[i]!);
  while (spare > 0) {
    let best: number | undefined;
    let most = Number.NEGATIVE_INFINITY;
    let next = 0;
    for (const i of open) {
      const [one, has] = [plan[i]!, now[i]!];
      const larger = one.need.sizes.find(({ gpus }) => gpus > has);
      if (larger === undefined || larger.gpus - has > spare) continue;
      const saved = gpuTime(one, has) - (larger.gpus * one.need.work) / larger.rate;
      const gain = has === 0 ? Number.MAX_VALUE : saved / (larger.gpus - has);
      if (gain <= most) continue;
      [best, most, next] = [i, gain, larger.gpus];
    }
    if (best === undefined) break;
    spare -= next - now[best]!;
    now[best] = next;
  }
  const sizes = plan.map(({ job }, i) => [job, now[i]!] as const);
  return placed(view, sizes, settle);
}

/** GPU-seconds until it is done, with what it has now or as it was promised. */
function gpuTime({ need, pieces }: Promised, has: number): number {
  const size = need.sizes.find(({ gpus }) => gpus === has);
  return size === undefined ? gpuSeconds(pieces) : (has * need.work) / size.rate;
}

/** When the plan gives somebody another share. */
function nextChange({ now }: ClusterView, plan: readonly Promised[], slot: number): number | undefined {
  const times = plan.flatMap(({ pieces }) => pieces.map(({ from }) => from)).filter((at) => at > now);
  return times.length === 0 ? undefined : Math.max(now + slot, Math.min(...times));
}
