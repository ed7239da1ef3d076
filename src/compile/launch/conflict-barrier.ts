/** One recorded list in the program's order; all threads wait for each other before a call that depends on an open one. */
import { launch, wholeCall } from "../launch.ts";

export default launch({
  title: "Barriers between conflicting calls",
  rows: [],
  idea: "Replay all calls in one native call, all threads sharing the items of each, with a barrier only before a call that depends on one since the last barrier.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return {
      plan({ calls }) {
        let open = 0;
        const fenced = new Set<number>();
        for (const [call, { after }] of calls.entries()) {
          if (!after.some((earlier) => earlier >= open)) continue;
          fenced.add(call - 1);
          open = call;
        }
        return calls.map((_, call) => ({ ...wholeCall(call), barrier: fenced.has(call) }));
      },
    };
  },
});
