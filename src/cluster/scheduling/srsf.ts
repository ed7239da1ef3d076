/** Shortest remaining service first: who has the fewest GPU-seconds left runs, whoever must stop for it. */
import type { JobSpec, JobView } from "../job.ts";
import { KeptOrder } from "../kept-order.ts";
import { refill } from "../regroup.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "Shortest remaining service first",
  rows: [],
  idea: "Rank all jobs by the GPU-seconds they have left, and give the whole cluster, emptied, to the first that fit.",
  differs: [
    "A gang fits where one node has all its GPUs, or as many whole nodes as it needs; jobs are moved where that makes room (Tiresias's simulator and its descendants).",
    "`submitted` is what Muri-S does in its simulator: the time that a trace says lacks what running costs besides, until a job has run.",
    "`keep` is the order of equals in that simulator, which sorts one list again and again; who differs by rounding alone is equal.",
  ],
  options: {
    gpus: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether a second on two GPUs counts twice (0: remaining time, SRTF).",
    },
    submitted: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: a job that has not run yet ranks by the time it was submitted with, as with Muri in its simulator",
    },
    keep: {
      default: 0,
      unit: "0, 1 or 2",
      min: 0,
      help: "1: equals stand as at the last decision; 2: the widest of them first, as with Muri in its simulator; else those that run come first",
    },
  },
  claim: "baseline",

  create({ gpus, submitted, keep }) {
    const asked = ({ duration, estimate }: JobSpec) => (submitted > 0 ? (estimate ?? duration) : duration);
    const remaining = (job: JobView): number => {
      const { outlook, spec } = job;
      const known = submitted === 0 || job.startedAt !== undefined || asked(spec) === undefined;
      const rate = known ? (outlook?.rate(job.gpus, job.places.length || 1, "") ?? 0) : 0;
      const seconds =
        rate > 0 ? (outlook!.total - outlook!.done) / rate : (asked(spec) ?? Number.POSITIVE_INFINITY) - job.ran;
      return gpus > 0 ? seconds * job.gpus : seconds;
    };
    const waiting = new WaitingOrder(remaining);
    const kept = new KeptOrder(remaining, { widest: keep > 1 });
    return {
      decide(view) {
        if (keep > 0) return refill(view, kept.of(view));
        waiting.sync(view);
        return refill(view, waiting.all(view));
      },
    };
  },
});
