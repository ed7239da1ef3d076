/** Gandiva-Fair, as Shockwave compares with it: every job has the same part of each type of GPU. */
import { scheduling } from "../scheduling.ts";
import { type Share, type ShareRequest, TimeShares } from "../time-shares.ts";

export default scheduling({
  title: "Gandiva-Fair",
  paper: {
    title: "Balancing Efficiency and Fairness in Heterogeneous GPU Clusters for Deep Learning",
    venue: "EuroSys 2020",
    url: "https://dl.acm.org/doi/10.1145/3342195.3387555",
  },
  rows: ["gandiva-fair"],
  idea: "Give each of n jobs 1/n of the GPUs of every type, in time where that is less than one GPU, and run those that are furthest behind.",
  differs: [
    "Without the trade of fast GPUs for slow ones between users: so is the policy of that name in Shockwave's comparison, on one type of GPU.",
    "A job on many GPUs has as much time as one on a single GPU, as it has there.",
  ],
  options: {
    round: { default: 360, unit: "s", min: 1, help: "length of a round" },
    reset: { default: 1000, unit: "s", min: 0, help: "least time between two allocations" },
  },
  claim: { metric: "fairnessWorst", better: "lower", than: "fifo", on: "philly-like", factor: 4, where: "sim" },

  create({ round, reset }) {
    const shares = new TimeShares({ roundSeconds: round, resetSeconds: reset, allocate: equal });
    return { decide: (view) => shares.decide(view) };
  },
});

function equal({ jobs, workers }: ShareRequest): readonly Share[] {
  const parts = workers.map((n) => n / jobs.length);
  const over = Math.max(
    1,
    parts.reduce((a, b) => a + b, 0),
  );
  return jobs.map((_, i) => ({ members: [i], shares: parts.map((part) => part / over) }));
}
