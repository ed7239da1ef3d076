/** The analytical choice: what is used without any record, and what each trial is measured beside. */
import { tuner } from "../tuner.ts";

export default tuner({
  title: "Analytical choice",
  rows: [],
  idea: "Hold as many sums in registers as a step of the inner loop leaves room for, and measure nothing.",
  differs: [],
  options: {},
  claim: "baseline",
  create: () => ({ propose: () => [], choose: ({ tasks }) => tasks.map(({ space }) => space.analytical) }),
});
