/** Each batch is made when it is asked for, by the thread that asks, function by function. */
import { loader, stagesAsWritten } from "../loader.ts";

export default loader({
  title: "Made when asked for",
  rows: [],
  idea: "Apply the functions as they are written, to one record after the other, in the thread that waits for the batch.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({
    stages: stagesAsWritten,
    settings: (stages) => stages.map(() => ({ parallelism: 0, buffer: 1 })),
  }),
});
