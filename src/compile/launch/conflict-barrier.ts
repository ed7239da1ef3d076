/** One recorded list in the program's order; all threads wait for each other before a call that depends on an open one. */
import { fences } from "../dependencies.ts";
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
        const fenced = fences(calls.map((c) => c.after));
        return calls.map((_, call) => ({ ...wholeCall(call), barrier: fenced.has(call) }));
      },
    };
  },
});
