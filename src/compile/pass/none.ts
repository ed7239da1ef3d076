/** The graph as the architecture wrote it. */
import { pass } from "../pass.ts";

export default pass({
  title: "As captured",
  rows: [],
  idea: "Compile the graph that the architecture describes, operation by operation, in its order.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return { name: "none", run: (graph) => graph };
  },
});
