/** Everybody whom scaling gives GPUs runs, those with the most first: what elastic policies need that place gangs in blocks. */
import { runFirst, scheduling } from "../scheduling.ts";

export default scheduling({
  title: "Widest first",
  rows: [],
  idea: "Run jobs by the GPUs that they are given, most first, as long as there are GPUs; stop all others.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({
    decide: (view) =>
      runFirst(
        view,
        [...view.running, ...view.waiting].sort((a, b) => b.gpus - a.gpus),
      ),
  }),
});
