/** Each operation its own kernel: what the others are measured against. */
import { fusion } from "../fusion.ts";

export default fusion({
  title: "No fusion",
  rows: [],
  idea: "Every operation is a kernel of its own, and every value between two operations goes through memory.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({ partition: ({ nodes }) => nodes.map(({ id }) => [id]) }),
});
