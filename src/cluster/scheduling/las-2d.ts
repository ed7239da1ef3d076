/** Least attained service in two dimensions, GPUs and seconds: who has used least runs, though nobody knows how long jobs take. */
import type { JobView } from "../job.ts";
import { KeptOrder } from "../kept-order.ts";
import { refill } from "../regroup.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "2D-LAS",
  rows: [],
  idea: "Rank all jobs by the GPU-seconds they have had, and give the whole cluster, emptied, to the first that fit.",
  differs: [
    "Ranked only when something happens or a round begins (Muri's simulator): between events, a job may get far ahead of others that wait.",
    "`keep` is the order of equals with Muri in its simulator, which sorts one list again and again.",
    "A gang fits where one node has all its GPUs, or as many whole nodes as it needs; jobs are moved where that makes room.",
  ],
  options: {
    keep: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: equals stand as at the last decision, the widest first, as with Muri in its simulator; else those that run come first",
    },
  },
  claim: "baseline",

  create({ keep }) {
    const service = ({ service }: JobView): number => service;
    const waiting = new WaitingOrder(service);
    const kept = new KeptOrder(service, { widest: true });
    return {
      decide(view) {
        if (keep > 0) return refill(view, kept.of(view));
        waiting.sync(view);
        return refill(view, waiting.all(view));
      },
    };
  },
});
