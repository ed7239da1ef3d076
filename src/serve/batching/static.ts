/**
 * Request-level batching: what serving did before Orca. A batch runs until its last member ends, so short answers wait
 * for long ones and newcomers for everybody.
 */
import { batching, grantWhole } from "../batching.ts";

export default batching({
  title: "Static batching",
  paper: {
    title: "FasterTransformer",
    venue: "NVIDIA 2019",
    url: "https://github.com/NVIDIA/FasterTransformer",
  },
  rows: [],
  idea: "Fill a batch, run it until its last request ends, and only then admit another.",
  differs: ["Members that ended leave the pass; FasterTransformer computes padding in their place."],
  options: {
    batchMax: { default: 16, unit: "sequences", min: 1, help: "Sequences in one batch." },
  },
  claim: "baseline",

  create({ batchMax }) {
    return {
      next({ running, waiting, limits }) {
        const begun = [...running, ...waiting.filter((request) => request.started)];
        return grantWhole(begun.length > 0 ? begun : waiting, batchMax, limits);
      },
    };
  },
});
