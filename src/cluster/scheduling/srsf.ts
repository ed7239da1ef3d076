/** Shortest remaining service first: who has the fewest GPU-seconds left runs, whoever must stop for it. */
import type { JobView } from "../job.ts";
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
  },
  claim: "baseline",

  create({ gpus, submitted }) {
    const remaining = (job: JobView): number => {
      const { outlook, spec } = job;
      const known = submitted === 0 || job.startedAt !== undefined || spec.duration === undefined;
      const rate = known ? (outlook?.rate(job.gpus, job.places.length || 1, "") ?? 0) : 0;
      const seconds =
        rate > 0 ? (outlook!.total - outlook!.done) / rate : (spec.duration ?? Number.POSITIVE_INFINITY) - job.ran;
      return gpus > 0 ? seconds * job.gpus : seconds;
    };
    const waiting = new WaitingOrder(remaining);
    return {
      decide(view) {
        waiting.sync(view);
        return refill(view, waiting.all(view));
      },
    };
  },
});
