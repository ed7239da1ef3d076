/** The jobs with the fewest GPUs run first: the order in which elastic schedulers place what they have sized. */

import { Arrivals } from "../arrivals.ts";
import { changing, runFirst, scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "Fewest GPUs first",
  rows: [],
  idea: "Run the jobs with the fewest GPUs, of equals the first to arrive, as long as they fit; stop all others.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    const arrivals = new Arrivals();
    // By GPUs, and among equals by arrival: fewer jobs arrive than a part of a GPU could tell apart.
    const waiting = new WaitingOrder((job) => job.gpus + arrivals.order(job) / 2 ** 32);
    return {
      decide(view) {
        arrivals.see(view);
        waiting.sync(view);
        const changed = changing(view);
        return runFirst(changed, waiting.all(changed));
      },
    };
  },
});
