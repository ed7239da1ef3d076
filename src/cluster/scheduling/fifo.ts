/** First come, first served: a job starts when all that came before it have started, and runs until it ends. */
import { scheduling, startFirst } from "../scheduling.ts";

export default scheduling({
  title: "FIFO",
  rows: [],
  idea: "Start waiting jobs in the order of their arrival; the first that does not fit holds back all later ones; stop nobody.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({ decide: (view) => startFirst(view, view.waiting, true) }),
});
