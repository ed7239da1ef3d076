/** Which jobs may be run at once: each alone, or two on the same GPUs (space sharing, OSDI 2020, §3.1). */
import type { ShareRequest } from "../../time-shares.ts";
import { type Beside, measured } from "./estimator.ts";
import type { Combination } from "./program.ts";

export const alone = ({ jobs }: ShareRequest): Combination[] =>
  jobs.map(({ gpus, rates }, i) => ({ members: [i], gpus, rates: [rates] }));

/** And every two jobs of the same size that run together on some type. O(jobs²). */
export function together(request: ShareRequest, beside: Beside = measured(request.types)): Combination[] {
  const { jobs, types } = request;
  const combinations = alone(request);
  for (const [i, job] of jobs.entries()) {
    for (let j = i + 1; j < jobs.length; j++) {
      const other = jobs[j]!;
      if (other.gpus !== job.gpus) continue;
      const mine = types.map((_, k) => beside(job, other, k));
      const its = types.map((_, k) => beside(other, job, k));
      const both = types.map((_, k) => mine[k]! > 0 && its[k]! > 0);
      if (!both.includes(true)) continue;
      const rates = [mine, its].map((of) => of.map((rate, k) => (both[k] ? rate : 0)));
      combinations.push({ members: [i, j], gpus: job.gpus, rates });
    }
  }
  return combinations;
}
