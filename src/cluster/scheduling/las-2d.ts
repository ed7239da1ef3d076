/** Least attained service in two dimensions, GPUs and seconds: who has used least runs, though nobody knows how long jobs take. */
import { refill } from "../regroup.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "2D-LAS",
  rows: [],
  idea: "Rank all jobs by the GPU-seconds they have had, and give the whole cluster, emptied, to the first that fit.",
  differs: [
    "Ranked only when something happens or a round begins (Muri's simulator): between events, a job may get far ahead of others that wait.",
    "A gang fits where one node has all its GPUs, or as many whole nodes as it needs; jobs are moved where that makes room.",
  ],
  options: {},
  claim: "baseline",

  create() {
    const waiting = new WaitingOrder(({ service }) => service);
    return {
      decide(view) {
        waiting.sync(view);
        return refill(view, waiting.all(view));
      },
    };
  },
});
