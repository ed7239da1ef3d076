/** The objectives of Gavel's Table 1, each a linear program over shares of time, or a few of them (OSDI 2020, §4). */
import type { Random } from "../../../core/random.ts";
import type { JobId } from "../../job.ts";
import type { Claimant, Share, ShareRequest } from "../../time-shares.ts";
import {
  type Combination,
  copiesOf,
  evenThroughput,
  type Objective,
  type ShareProgram,
  scaled,
  shareProgram,
  solved,
} from "./program.ts";

/** Maximises the least throughput, relative to an even share and to its weight; jobs on many GPUs get less time for it (§4.1). */
export const maxMinFairness: Objective = (request, combinations) => {
  const of = shareProgram("maximise", request, combinations);
  const least = of.program.variable({ cost: 1, min: Number.NEGATIVE_INFINITY });
  for (const [i, terms] of of.throughput.entries()) {
    const job = request.jobs[i]!;
    const even = evenThroughput(job, request.workers);
    if (!(even > 0)) continue;
    const relative = scaled(terms, job.gpus / (job.view.spec.weight * even));
    of.program.atLeast(0, [...relative, [least, -1]], copiesOf(job));
  }
  return solved(of);
};

export const totalThroughput: Objective = (request, combinations) => {
  const of = shareProgram("maximise", request, combinations);
  for (const terms of of.throughput) for (const [j, rate] of terms) of.program.costs[j]! += rate;
  return solved(of);
};

/** On-demand prices in dollars an hour that the paper's experiments had; a type that is not among them costs 1. */
const prices: Readonly<Record<string, number>> = { v100: 0.74, p100: 0.43, k80: 0.135 };

/** Maximises throughput by dollar, with each job in time for its deadline where that can be had for all (§4.2). */
export const cost =
  (deadlines: boolean): Objective =>
  (request, combinations) => {
    const of = shareProgram("maximise", request, combinations);
    for (const terms of of.throughput) {
      for (const [place, [j, rate]] of terms.entries()) {
        of.program.costs[j]! += rate / (prices[request.types[place % request.types.length]!] ?? 1);
      }
    }
    if (!deadlines) return solved(of);
    for (const [i, terms] of of.throughput.entries()) {
      const job = request.jobs[i]!;
      const { deadline } = job.view.spec;
      if (deadline !== undefined && deadline > request.now)
        of.program.atLeast((job.remaining ?? 0) / (deadline - request.now), terms, copiesOf(job));
    }
    return solved(of) ?? cost(false)(request, combinations);
  };

/**
 * The shortest time in which all jobs can end, found by halving an interval until its ends are within 5 % (§4.2). Steps that a job
 * must do by then are a row each, so that whoever needs less is not given more than it needs.
 */
export const makespan: Objective = (request, combinations) => {
  let [low, high, tried] = [100, 1e6, 1e6];
  for (let best: readonly Share[] | undefined; ; ) {
    while (1.05 * low < high) {
      const middle = (low + high) / 2;
      const shares = solved(within(request, combinations, ({ remaining }) => (remaining ?? 0) / middle));
      if (shares === undefined) low = middle;
      else [best, high] = [shares, middle];
    }
    if (best !== undefined || tried > 1e15) return best;
    [low, high, tried] = [tried, tried * 10, tried * 10];
  }
};

/** Any shares that give each job at least so much throughput. */
export function within(
  request: ShareRequest,
  combinations: readonly Combination[],
  least: (job: Claimant, index: number) => number,
): ShareProgram {
  const of = shareProgram("minimise", request, combinations);
  for (const [i, terms] of of.throughput.entries()) {
    const job = request.jobs[i]!;
    if (job.rates.some((rate) => rate > 0)) of.program.atLeast(least(job, i), terms, copiesOf(job));
  }
  return of;
}

/** In the order of arrival, each job on the type that is fastest for it among those with GPUs left; the first that finds none ends it. */
export const firstComeFirstServed: Objective = ({ jobs, workers, types }) => {
  const free = [...workers];
  const granted: Share[] = [];
  for (const [i, { gpus, rates }] of jobs.entries()) {
    let best: number | undefined;
    for (let k = 0; k < types.length; k++) {
      if (free[k]! >= gpus && rates[k]! > (best === undefined ? 0 : rates[best]!)) best = k;
    }
    if (best === undefined) break;
    free[best]! -= gpus;
    granted.push(wholly(i, best, types.length));
  }
  return granted;
};

/** The same where types are not known: each job on any that has GPUs left, where it stays until it ends. */
export function firstComeAnywhere(random: Random): Objective {
  let held = new Map<JobId, number>();
  return ({ jobs, workers, types }) => {
    const free = [...workers];
    const now = new Map<JobId, number>();
    const hold = ({ view, gpus }: Claimant, type: number): void => {
      now.set(view.spec.id, type);
      free[type]! -= gpus;
    };
    for (const job of jobs) {
      const type = held.get(job.view.spec.id);
      if (type !== undefined) hold(job, type);
    }
    for (const job of jobs) {
      if (now.has(job.view.spec.id)) continue;
      const able = [...types.keys()].filter((k) => free[k]! >= job.gpus && job.rates[k]! > 0);
      if (able.length === 0) break;
      hold(job, able[Math.floor(random() * able.length)]!);
    }
    held = now;
    return jobs.flatMap(({ view }, i) => {
      const type = now.get(view.spec.id);
      return type === undefined ? [] : [wholly(i, type, types.length)];
    });
  };
}

const wholly = (job: number, type: number, types: number): Share => ({
  members: [job],
  shares: Array.from({ length: types }, (_, k) => (k === type ? 1 : 0)),
});
