/** AlloX: the least average completion time as a matching of jobs with places in the queues of processors. */
import { assignment } from "../assignment.ts";
import type { JobId } from "../job.ts";
import { scheduling } from "../scheduling.ts";
import { type Claimant, type Share, type ShareRequest, TimeShares } from "../time-shares.ts";

export default scheduling({
  title: "AlloX",
  paper: {
    title: "AlloX: Compute Allocation in Hybrid Clusters",
    venue: "EuroSys 2020",
    url: "https://dl.acm.org/doi/10.1145/3342195.3387547",
  },
  rows: ["allox"],
  idea: "Match jobs with (processor, k-th place from the end of its queue) at cost k times the processing time there, over the oldest part of the jobs; the first of each queue runs.",
  differs: [
    "Rules of the simulator of Gavel and Shockwave, for comparison with theirs: a job on n GPUs gets 1/n of its time on one processor; who has all of its time keeps it; and rounds let others run on what is left over.",
    "The filter against starvation takes the oldest jobs, not those with the least service.",
    "O((αn)² · GPUs) a decision: for hundreds of GPUs, not for tens of thousands.",
  ],
  options: {
    alpha: {
      default: 0.2,
      unit: "of the jobs",
      min: 0,
      help: "part of the waiting jobs, oldest first, that is matched; at least one for each GPU",
    },
    round: { default: 360, unit: "s", min: 1, help: "length of a round" },
    reset: { default: 1000, unit: "s", min: 0, help: "least time between two matchings" },
  },
  claim: { metric: "averageJct", better: "lower", than: "fifo", on: "two-types", factor: 1.15, where: "sim" },

  create({ alpha, round, reset }) {
    const shares = new TimeShares({ roundSeconds: round, resetSeconds: reset, allocate: matching(alpha) });
    return { decide: (view) => shares.decide(view) };
  },
});

/** Who was first in a queue keeps its place there until it ends. */
function matching(alpha: number): (request: ShareRequest) => readonly Share[] {
  let before = new Map<JobId, readonly number[]>();
  return ({ jobs, types, workers }) => {
    const granted = jobs.map(({ view }) => [...(before.get(view.spec.id) ?? types.map(() => 0))]);
    const settled = granted.map((shares) => shares.reduce((a, b) => a + b, 0) === 1);
    const free = workers.map((n, k) => n - granted.filter((shares, i) => settled[i] && shares[k] === 1).length);
    const processors = free.flatMap((n, k) => new Array<number>(Math.max(0, n)).fill(k));
    const waiting = jobs.flatMap((job, i) => (settled[i] ? [] : [{ job, i }])).sort((a, b) => b.job.age - a.job.age);
    const chosen = waiting.slice(0, Math.max(Math.trunc(alpha * waiting.length), processors.length));
    for (const [first, type] of firsts(
      chosen.map(({ job }) => job),
      processors,
    )) {
      const { job, i } = chosen[first]!;
      granted[i]![type] = 1 / job.gpus;
    }
    before = new Map(jobs.map(({ view }, i) => [view.spec.id, granted[i]!]));
    return granted.map((shares, i) => ({ members: [i], shares }));
  };
}

/** The job at the head of each queue, and the type of its processor. */
function firsts(jobs: readonly Claimant[], processors: readonly number[]): [job: number, type: number][] {
  const n = processors.length;
  if (n === 0 || jobs.length === 0) return [];
  const seconds = jobs.map(({ rates, remaining }) =>
    rates.map((rate) => (remaining ?? 1) / (rate === 0 ? 1e-10 : rate)),
  );
  const columns = assignment(jobs.length, n * jobs.length, (row, column) => {
    const place = Math.floor(column / n) + 1;
    return place * seconds[row]![processors[column % n]!]! + jobs[row]!.age;
  });
  const heads = new Map<number, { readonly job: number; readonly place: number }>();
  for (const [job, column] of columns.entries()) {
    const [processor, place] = [column % n, Math.floor(column / n)];
    const head = heads.get(processor);
    if (head === undefined || place > head.place) heads.set(processor, { job, place });
  }
  return [...heads].map(([processor, { job }]) => [job, processors[processor]!]);
}
