/**
 * What the artifacts of ElasticFlow and Muri run under the name of Themis: no auction, but the shares of time that make the worst
 * finish-time fairness best, as a convex program; who has the largest share goes first.
 */

import type { Seconds } from "../../../time/clock.ts";
import { type ClusterView, runningAfter } from "../../decision.ts";
import { fairShares } from "../../fair-shares.ts";
import type { JobId, JobView } from "../../job.ts";
import { listed } from "../../job-order.ts";
import { presentOf } from "../../kept-order.ts";
import { refill, regroup } from "../../regroup.ts";
import type { Scheduling } from "../../scheduling.ts";

interface Claim {
  readonly job: JobView;
  readonly remaining: number;
  /** Work a second, with all its time. */
  readonly rate: number;
  /** Part of its time that an even share of the GPUs is: it stands for a speed, whatever the job's own unit of work. */
  readonly even: number;
  /** Work done over the even share of its time, since the job came. */
  readonly spent: number;
  readonly age: Seconds;
}

/**
 * What a share is divided by, where something is: launches that a job has had (on Muri's testbed), or the time for which it has had
 * its GPUs (in Muri's simulator). Gangs then have to fit in the order of what that leaves.
 */
export type Per = "nothing" | "launch" | "second";

export function byProgram(per: Per): Scheduling {
  const order: JobId[] = [];
  const before = new Map<JobId, Claim>();
  const launches = new Map<JobId, number>();
  let news: Seconds = 0;
  return {
    decide(view) {
      if (view.arrived.length + view.ended.length > 0) news = view.now;
      else if (per === "launch") return { stop: [], start: [] };
      // Equal shares are served in the order of the last decision.
      const present = presentOf(order, view);
      const claims = present.map((job) => claimOf(job, present.length, view, news, before.get(job.spec.id)));
      before.clear();
      for (const claim of claims) before.set(claim.job.spec.id, claim);
      const shares = fairest(claims, view.nodes.total());
      const worth = claims.map(({ job: { spec, ran } }, i) => {
        const had = per === "launch" ? (launches.get(spec.id) ?? 0) : per === "second" ? ran : 0;
        return { id: spec.id, value: had === 0 ? shares[i]! * 1e9 : shares[i]! / had };
      });
      worth.sort((a, b) => b.value - a.value);
      order.splice(0, order.length, ...worth.map(({ id }) => id));
      const ranked = order.map((id) => view.job(id));
      const decision =
        per === "nothing"
          ? regroup(view, whatFits(view, ranked))
          : refill(
              view,
              listed(() => ranked),
            );
      if (per === "launch")
        for (const id of runningAfter(view, decision)) launches.set(id, (launches.get(id) ?? 0) + 1);
      return decision;
    },
  };
}

function claimOf(job: JobView, jobs: number, { nodes }: ClusterView, news: Seconds, before: Claim | undefined): Claim {
  const { outlook, spec, gpus, ran } = job;
  const remaining =
    outlook === undefined ? Math.max(1, (spec.duration ?? 2 * ran) - ran) : outlook.total - outlook.done;
  return {
    ...{ job, remaining, age: news - spec.submit },
    rate: outlook?.rate(gpus, 1, spec.types?.[0] ?? "") || 1,
    even: Math.min(1, Math.ceil(nodes.total() / jobs) / Math.max(1, gpus)),
    spent: before === undefined ? 0 : before.spent + (before.remaining - remaining) / before.even,
  };
}

/** Shares of time, 0 to 1, with the best worst fairness. */
function fairest(claims: readonly Claim[], gpus: number): ArrayLike<number> {
  // Where all run, it makes no difference who is before whom.
  if (claims.reduce((sum, { job }) => sum + job.gpus, 0) <= gpus) return claims.map(() => 1);
  return fairShares(
    claims.map(({ job, remaining, rate, even, spent, age }) => ({
      ...{ age, rate, gpus: job.gpus, work: remaining },
      alone: spent + remaining / even,
    })),
    gpus,
  );
}

/** The first whose GPUs there are, counted over all nodes; they are placed largest first. */
function whatFits(view: ClusterView, ranked: readonly JobView[]): readonly (readonly JobView[])[] {
  let free = view.nodes.total();
  return ranked.flatMap((job) => {
    if (job.gpus > free) return [];
    free -= job.gpus;
    return [[job]];
  });
}
