/**
 * Slurm's order: tiers of priority, in a tier the multifactor priority, then the time of submission; and backfill, which lets later
 * jobs pass the first that waits if they do not delay the start that it can expect.
 */
import type { Seconds } from "../../time/clock.ts";
import type { Start } from "../decision.ts";
import { ExpectedEnds, type Reservation } from "../expected-ends.ts";
import type { JobView } from "../job.ts";
import { scheduling } from "../scheduling.ts";
import { UsageShares } from "../usage-shares.ts";
import { WaitingLines } from "../waiting-line.ts";

const day = 86_400;
/** What Slurm assumes of a job without a time limit. */
const unlimited = 365 * day;

export default scheduling({
  title: "Slurm's default order",
  rows: [],
  idea: "Start jobs by tier, multifactor priority and submission until one does not fit; reserve for it the GPUs that free first; then start, of the next that wait, those that end before its reservation or leave its GPUs free.",
  differs: [
    "Only the first job that does not fit has a reservation (EASY backfill); Slurm makes one for every job that it tests.",
    "Backfill is tried whenever anything changes; Slurm tries it every bf_interval, 30 s.",
    "The age factor has no ceiling; in Slurm it reaches 1 at PriorityMaxAge.",
    "A trace has no time limits: a job's is its remaining time, if it is known, times `overestimate`; else a year, as Slurm's is.",
    "A job's `priority` is the tier of its partition. All weights are 0 as in a Slurm that nobody configured, and order is that of submission.",
  ],
  options: {
    age: { default: 0, unit: "points", min: 0, help: "PriorityWeightAge, for seven days of waiting." },
    fairshare: { default: 0, unit: "points", min: 0, help: "PriorityWeightFairshare." },
    size: { default: 0, unit: "points", min: 0, help: "PriorityWeightJobSize, for all GPUs." },
    halfLife: { default: 7 * day, unit: "seconds", min: 1, help: "PriorityDecayHalfLife: usage counts half after it." },
    depth: { default: 500, unit: "jobs", min: 0, help: "bf_max_job_test: waiting jobs that backfill looks at." },
    overestimate: { default: 1, unit: "times", min: 1, help: "How much longer than it runs a job says it will." },
  },
  claim: "baseline",

  create({ age, fairshare, size, halfLife, depth, overestimate }) {
    const usage = new UsageShares(halfLife);
    let gpus = 1;
    // Within a line the order never changes: waiting adds as much to the age of all.
    const lines = new WaitingLines(
      ({ spec }) => `${spec.priority}/${fairshare > 0 ? spec.tenant : ""}`,
      ({ spec }) => (age * spec.submit) / (7 * day) - (size * spec.gpus) / gpus,
    );
    const priority = ({ spec }: JobView): number =>
      fairshare * usage.factor(spec.tenant) + (size * spec.gpus) / gpus - (age * spec.submit) / (7 * day);
    const ends = new ExpectedEnds((job) => limit(job, overestimate));
    return {
      decide(view) {
        gpus = view.nodes.total();
        if (fairshare > 0) usage.sync(view);
        ends.sync(view);
        lines.sync(view);
        const start: Start[] = [];
        const begin = (job: JobView): void => {
          start.push({ job: job.spec.id });
          ends.add(job, view.now);
        };
        let free = view.nodes.freeTotal();
        let reserved: Reservation | undefined;
        let tested = 0;
        for (const job of inOrder(lines, priority)) {
          if (free === 0 || tested > depth) break;
          if (reserved !== undefined) tested++;
          if (job.gpus > free) reserved ??= ends.reservation(job, free, view.now);
          else if (reserved === undefined || reserved.allows(job, view.now + limit(job, overestimate))) {
            free -= job.gpus;
            begin(job);
          }
        }
        for (const { job } of start) lines.take(view.job(job));
        return { stop: [], start };
      },
    };
  },
});

/** Waiting jobs by tier, then priority; lines are merged by their heads. */
function* inOrder(lines: WaitingLines, priority: (job: JobView) => number): Iterable<JobView> {
  const heads = lines.names().flatMap((name) => {
    const line = lines.walk(name)[Symbol.iterator]();
    const { value: job } = line.next();
    return job === undefined ? [] : [{ line, job: job as JobView, priority: priority(job) }];
  });
  while (heads.length > 0) {
    let best = 0;
    for (let i = 1; i < heads.length; i++) {
      const [a, b] = [heads[i]!, heads[best]!];
      const tier = a.job.spec.priority - b.job.spec.priority;
      const ahead = tier || a.priority - b.priority || b.job.spec.submit - a.job.spec.submit;
      if (ahead > 0) best = i;
    }
    const head = heads[best]!;
    yield head.job;
    const { value: next, done } = head.line.next();
    if (done) heads.splice(best, 1);
    else [head.job, head.priority] = [next, priority(next)];
  }
}

function limit({ spec, outlook, ran }: JobView, overestimate: number): Seconds {
  if (outlook !== undefined && spec.duration !== undefined) {
    return overestimate * spec.duration - spec.duration * (outlook.done / outlook.total);
  }
  return spec.duration === undefined ? unlimited : Math.max(0, overestimate * spec.duration - ran);
}
