/** Finish-time fairness as a Gavel objective: no job is to end much later than on its own part of the cluster (OSDI 2020, §4.2). */
import type { Seconds } from "../../../time/clock.ts";
import { fairShares } from "../../fair-shares.ts";
import type { JobId } from "../../job.ts";
import { solve } from "../../solver.ts";
import type { Claimant, Share, ShareRequest } from "../../time-shares.ts";
import { within } from "./objectives.ts";
import { amid, type Combination, type Objective } from "./program.ts";

interface Alone {
  /** Seconds that the work done until now would have taken on the job's part of the cluster, as large as it was at each time. */
  readonly spent: Seconds;
  readonly remaining: number;
  /** Units of work a second on its part now. */
  readonly speed: number;
}

/**
 * Minimises the worst ratio of the time from submission to the end, shared, to the same on 1/n of every type. Of all shares with the
 * least ratio those in the middle are taken; or, where there is one type and nobody shares GPUs, and `onPath` says so, those in which
 * ECOS ends.
 */
export function finishTimeFairness(onPath = false): Objective {
  let known = new Map<JobId, Alone>();
  return (request, combinations) => {
    const alone = request.jobs.map((job) => onItsOwn(job, request, known.get(job.view.spec.id)));
    known = new Map(alone.map((of, i) => [request.jobs[i]!.view.spec.id, of]));
    if (onPath && isPlain(request, combinations)) return endOfPath(request, alone);
    const needed = (rho: number) => throughputs(request, alone, rho);
    const [low, high] = bracket(request, combinations, needed);
    if (high === undefined) return undefined;
    let [bad, good] = [low, high];
    while (good - bad > 1e-7 * good) {
      const middle = (bad + good) / 2;
      if (feasible(request, combinations, needed(middle))) good = middle;
      else bad = middle;
    }
    // A hair above the optimum there is room between the walls.
    const enough = needed(good * (1 + 1e-6));
    return amid(within(request, combinations, (_, i) => enough[i]!));
  };
}

const isPlain = ({ jobs, workers }: ShareRequest, combinations: readonly Combination[]): boolean =>
  workers.length === 1 &&
  combinations.length === jobs.length &&
  jobs.every((job) => job.rates[0]! > 0 && (job.remaining ?? 0) > 0);

function endOfPath({ jobs, workers }: ShareRequest, alone: readonly Alone[]): readonly Share[] {
  const claims = jobs.map(({ age, gpus, rates }, i) => {
    const { spent, remaining, speed } = alone[i]!;
    return { age, work: remaining, rate: rates[0]!, alone: spent + remaining / speed, gpus };
  });
  return Array.from(fairShares(claims, workers[0]!), (share, i) => ({
    members: [i],
    shares: [Math.min(1, Math.max(0, share))],
  }));
}

function onItsOwn(job: Claimant, { jobs, workers }: ShareRequest, before: Alone | undefined): Alone {
  const parts = workers.map((n) => n / jobs.length / job.gpus);
  const over = Math.max(
    1,
    parts.reduce((a, b) => a + b, 0),
  );
  const speed = job.rates.reduce((sum, rate, k) => sum + (rate * parts[k]!) / over, 0);
  const remaining = job.remaining ?? 0;
  const spent = before === undefined ? 0 : before.spent + (before.remaining - remaining) / before.speed;
  return { spent, remaining, speed };
}

/** What each job needs so that no ratio is worse than `rho`; infinite where it is too late for that. */
const throughputs = ({ jobs }: ShareRequest, alone: readonly Alone[], rho: number): number[] =>
  jobs.map(({ age }, i) => {
    const { spent, remaining, speed } = alone[i]!;
    const left = rho * (spent + remaining / speed) - age;
    return remaining <= 0 || speed === 0 ? 0 : left > 0 ? remaining / left : Number.POSITIVE_INFINITY;
  });

function feasible(request: ShareRequest, combinations: readonly Combination[], needed: readonly number[]): boolean {
  if (!needed.every(Number.isFinite)) return false;
  return solve(within(request, combinations, (_, i) => needed[i]!).program) !== undefined;
}

function bracket(
  request: ShareRequest,
  combinations: readonly Combination[],
  needed: (rho: number) => readonly number[],
): readonly [number, number | undefined] {
  let low = 0;
  for (let high = 1; high < 1e9; high *= 2) {
    if (feasible(request, combinations, needed(high))) return [low, high];
    low = high;
  }
  return [low, undefined];
}
