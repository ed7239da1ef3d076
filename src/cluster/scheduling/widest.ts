/** Everybody whom scaling gives GPUs runs, those with the most first: what elastic policies need that place gangs in blocks. */
import { changing, runFirst, scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "Widest first",
  rows: [],
  idea: "Run jobs by the GPUs that they are given, most first, as long as there are GPUs; stop all others.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    const waiting = new WaitingOrder(({ gpus }) => -gpus);
    return {
      decide(view) {
        waiting.sync(view);
        const changed = changing(view);
        return runFirst(changed, waiting.all(changed));
      },
    };
  },
});
