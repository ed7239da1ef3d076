/**
 * Jobs that a program cannot tell apart, as one: its size is then that of the number of classes, and not of jobs.
 *
 * It gives what the whole program gives. Averaging the shares over a class keeps every row and the objective, so that the optimum has
 * equal shares within it; and the centre of the optimal face, on which all copies count (`central-path.ts`), has them in any case.
 */
import type { Claimant, Share, ShareRequest } from "../../time-shares.ts";
import { alone } from "./pairs.ts";
import { centralMost, type Objective } from "./program.ts";

/** What an objective sees of a job, beside its size and its speeds: equal for jobs that it treats alike. */
export type Alike = (job: Claimant) => string | number;

export const byWeight: Alike = ({ view }) => view.spec.weight;
export const byTenantAndWeight: Alike = ({ view }) => `${view.spec.weight} ${view.spec.tenant}`;
export const byWork: Alike = ({ remaining }) => remaining ?? "";
export const byDeadline: Alike = ({ remaining, view }) => `${remaining} ${view.spec.deadline}`;

/**
 * The objective over classes where it would be solved to a corner otherwise, in which equal jobs may get unequal shares; programs
 * of `least` variables at most are left as they are: the centre is found for those, to the last digit of the published runs.
 */
export function inClasses(objective: Objective, alike: Alike, least = centralMost): Objective {
  return (request, combinations) => {
    if (request.jobs.length * request.types.length <= least) return objective(request, combinations);
    const classes = classesOf(request, alike);
    const jobs = classes.map((members): Claimant => ({ ...request.jobs[members[0]!]!, copies: members.length }));
    const small: ShareRequest = { ...request, jobs };
    const answer = objective(small, alone(small));
    if (answer === undefined) return undefined;
    const shares: Share[] = [];
    for (const { members, shares: each } of answer) {
      for (const i of classes[members[0]!]!) shares[i] = { members: [i], shares: each };
    }
    return shares;
  };
}

/** In the order of their first jobs. */
function classesOf({ jobs }: ShareRequest, alike: Alike): number[][] {
  const classes = new Map<string, number[]>();
  for (const [i, job] of jobs.entries()) {
    const key = `${job.gpus} ${job.rates.join()} ${alike(job)}`;
    const members = classes.get(key);
    if (members === undefined) classes.set(key, [i]);
    else members.push(i);
  }
  return [...classes.values()];
}
