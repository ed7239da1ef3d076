/**
 * Tiresias's queues with the cluster emptied at each decision and given to the first that fit, who may have to move for it: as its
 * own simulator and Muri's controllers do. In a queue those that run come before those that wait, each in the order they had.
 */
import { type ClusterView, runningAfter } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";
import { listed } from "../../job-order.ts";
import { refill } from "../../regroup.ts";
import type { Scheduling } from "../../scheduling.ts";

/** Seconds by which a threshold may be missed by rounding. */
const slack = 1e-6;

/** `limits` of service part the queues; nobody is promoted. */
export function emptied(limits: readonly number[]): Scheduling {
  const queues: JobId[][] = Array.from({ length: limits.length + 1 }, () => []);
  return {
    decide(view) {
      const gone = new Set(view.ended.map(({ spec }) => spec.id));
      for (const queue of queues) filterInPlace(queue, (id) => !gone.has(id));
      queues[0]!.push(...view.arrived.map(({ spec }) => spec.id));
      demote(view, queues, limits);
      const present = new Set([...view.running, ...view.waiting].map(({ spec }) => spec.id));
      const order = queues.flatMap((queue) => queue.filter((id) => present.has(id)).map((id) => view.job(id)));
      const decision = refill(
        view,
        listed(() => order),
      );
      const runs = runningAfter(view, decision);
      for (const queue of queues) {
        const waiting = queue.filter((id) => !runs.has(id));
        filterInPlace(queue, (id) => runs.has(id));
        queue.push(...waiting);
      }
      const next = (id: JobId, queue: number): number => left(view.job(id), limits[queue]) / view.job(id).gpus;
      const wake = queues.flatMap((queue, i) => queue.filter((id) => runs.has(id)).map((id) => view.now + next(id, i)));
      const first = Math.min(...wake);
      return first < Number.POSITIVE_INFINITY ? { ...decision, wake: first } : decision;
    },
  };
}

const left = ({ service }: JobView, limit = Number.POSITIVE_INFINITY): number => limit - service;

/** Those that run fall by what they have had; each to the end of its next queue. */
function demote(view: ClusterView, queues: readonly JobId[][], limits: readonly number[]): void {
  for (const [i, limit] of limits.entries()) {
    const falls = (id: JobId): boolean => {
      const job = view.job(id);
      return job.places.length > 0 && left(job, limit) <= slack * job.gpus;
    };
    const fallen = queues[i]!.filter(falls);
    queues[i + 1]!.push(...fallen);
    filterInPlace(queues[i]!, (id) => !fallen.includes(id));
  }
}

function filterInPlace(list: JobId[], keeps: (id: JobId) => boolean): void {
  const kept = list.filter(keeps);
  list.length = 0;
  list.push(...kept);
}
