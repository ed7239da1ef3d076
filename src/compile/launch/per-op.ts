/** One native call for each operation, as an eager framework dispatches: the baseline. */
import { launch, wholeCall } from "../launch.ts";

export default launch({
  title: "Operation by operation",
  rows: [],
  idea: "Each call is dispatched from JavaScript by itself, with an event for each operation that it follows, and all threads share its items.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return { plan: ({ calls }) => calls.map(({ after }, call) => ({ ...wholeCall(call), after, cut: true })) };
  },
});
