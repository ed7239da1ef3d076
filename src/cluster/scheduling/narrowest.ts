/** The jobs with the fewest GPUs run first: the order in which elastic schedulers place what they have sized. */

import { Arrivals } from "../arrivals.ts";
import { listed } from "../job-order.ts";
import { runFirst, scheduling } from "../scheduling.ts";

export default scheduling({
  title: "Fewest GPUs first",
  rows: [],
  idea: "Run the jobs with the fewest GPUs, of equals the first to arrive, as long as they fit; stop all others.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    const arrivals = new Arrivals();
    return {
      decide(view) {
        arrivals.see(view);
        const jobs = arrivals.present(view);
        return runFirst(
          view,
          // Array.sort keeps the order of arrival among equals.
          listed(() => jobs.sort((a, b) => a.gpus - b.gpus)),
        );
      },
    };
  },
});
