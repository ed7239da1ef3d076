/** One token for each sequence in each pass. */
import { speculation } from "../speculation.ts";

export default speculation({
  title: "No speculation",
  rows: [],
  idea: "Produce one token for each sequence in each pass.",
  differs: [],
  options: {},
  claim: "baseline",
  create: () => ({ lookup: undefined, drafts: ({ sequences }) => sequences.map(() => 0) }),
});
