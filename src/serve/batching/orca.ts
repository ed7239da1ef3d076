/** Iteration-level scheduling: the batch is chosen again before every pass, first come first served. */
import { batching, grantWhole } from "../batching.ts";

export default batching({
  title: "Orca",
  paper: {
    title: "Orca: A Distributed Serving System for Transformer-Based Generative Models",
    venue: "OSDI 2022",
    url: "https://www.usenix.org/conference/osdi22/presentation/yu",
  },
  rows: ["orca"],
  idea: "Choose the batch again before every forward pass, so that a request joins when it arrives and leaves when it ends.",
  differs: [
    "Cache slots are not reserved by the scheduler (paper: §4.2, Alg. 1): memory is another slot's concern.",
    "A prompt longer than the runner's largest pass is computed in several passes.",
    "One pass is in flight at a time: there is one worker, so nothing to pipeline (paper: §4.3).",
  ],
  options: {
    batchMax: { default: 16, unit: "sequences", min: 1, help: "Sequences in one pass." },
  },
  claim: {
    metric: "latencyPassesMean",
    better: "lower",
    than: "static",
    on: "varied",
    factor: 3,
    where: "machine",
  },

  create({ batchMax }) {
    return {
      // Alg. 1, Select: requests by arrival, each whole: its prompt at first, then one token an iteration.
      next: ({ running, waiting, limits }) => grantWhole([...running, ...waiting], batchMax, limits),
    };
  },
});
