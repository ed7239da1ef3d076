/** Every activation is kept: the baseline. */
import { remat } from "../remat.ts";

export default remat({
  title: "Nothing is computed again",
  rows: [],
  idea: "Each tensor of the forward part stays until its last use, so no unit runs twice.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return { drops: () => [] };
  },
});
