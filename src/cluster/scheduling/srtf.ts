/** Shortest remaining time first: the least average completion time that one machine could have. */
import type { JobView } from "../job.ts";
import { RankedJobs } from "../ranking.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "SRTF",
  rows: [],
  idea: "Rank jobs by the seconds that they still need on the GPUs they ask for; a shorter one takes the GPUs of the longest that run.",
  differs: [
    "It must know how long a job runs. Jobs of which nobody knows go last, in the order of their submission.",
    "The running jobs with most left are found by the ends that were expected when they started; whether they yield is decided by what they have left now.",
  ],
  options: {},
  claim: "baseline",

  create() {
    const jobs = new RankedJobs({ rank: remaining, whileRunning: (job, now) => now + remaining(job) });
    return { decide: (view) => jobs.decide(view) };
  },
});

/** Seconds on one node of the type that it runs on, or would. */
function remaining({ outlook, spec, ran, gpus }: JobView): number {
  if (outlook === undefined) return spec.duration === undefined ? Number.POSITIVE_INFINITY : spec.duration - ran;
  if (spec.duration !== undefined && gpus === spec.gpus) return spec.duration * (1 - outlook.done / outlook.total);
  return outlook.total - outlook.done;
}
