/** Earliest deadline first: meets every deadline that one machine could meet, and all fail together where it is overloaded. */
import { RankedJobs } from "../ranking.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "EDF",
  rows: [],
  idea: "Rank jobs by their deadlines; an earlier one takes the GPUs of those that run with the latest.",
  differs: ["Jobs without a deadline go last, in the order of their submission."],
  options: {},
  claim: "baseline",

  create() {
    const jobs = new RankedJobs({ rank: ({ spec }) => spec.deadline ?? Number.POSITIVE_INFINITY });
    return { decide: (view) => jobs.decide(view) };
  },
});
