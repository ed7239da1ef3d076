/**
 * Tiresias's queues with the cluster emptied at each decision and given to the first that fit, who may have to move for it: as its
 * own simulator and Muri's controllers do. In a queue those that run come before those that wait, each in the order they had; who falls
 * at the same time does so in the order of arrivals. Whether somebody falls is looked at after whole seconds of its time on its GPUs,
 * and whenever something else happens.
 */
import type { Seconds } from "../../../time/clock.ts";
import { type ClusterView, runningAfter } from "../../decision.ts";
import type { JobId, JobView } from "../../job.ts";
import { listed } from "../../job-order.ts";
import { refill } from "../../regroup.ts";
import type { Scheduling } from "../../scheduling.ts";

/** Seconds by which a threshold may be missed by rounding. */
const slack = 1e-6;

/**
 * `limits` of service part the queues; nobody is promoted. With `widest`, who falls at the same time does so by size and then by
 * arrival, no more than one queue, and by the time in which it made progress: as in ElasticFlow's simulator.
 */
export function emptied(limits: readonly number[], { widest = false } = {}): Scheduling {
  const queues: JobId[][] = Array.from({ length: limits.length + 1 }, () => []);
  const arrivals = new Map<JobId, number>();
  let count = 0;
  const until = widest ? untilSeenToFall : untilFall;
  return {
    decide(view) {
      const gone = new Set(view.ended.map(({ spec }) => spec.id));
      for (const queue of queues) filterInPlace(queue, (id) => !gone.has(id));
      for (const id of gone) arrivals.delete(id);
      for (const { spec } of view.arrived) {
        queues[0]!.push(spec.id);
        arrivals.set(spec.id, count++);
      }
      const arrival = (id: JobId): number => arrivals.get(id)!;
      if (widest) demoteWidest(view, queues, limits, arrival);
      else demote(view, queues, limits, arrival);
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
      const wake = queues.flatMap((queue, i) =>
        queue.filter((id) => runs.has(id)).map((id) => view.now + until(view.job(id), limits[i])),
      );
      const first = Math.min(...wake);
      return first < Number.POSITIVE_INFINITY ? { ...decision, wake: first } : decision;
    },
  };
}

function untilFall({ service, gpus }: JobView, limit = Number.POSITIVE_INFINITY): Seconds {
  return Math.ceil(limit / gpus - slack) - service / gpus;
}

/** Whoever should have fallen already is looked at again. */
const untilSeenToFall = (job: JobView, limit = Number.POSITIVE_INFINITY): Seconds =>
  Math.max(1, Math.ceil(limit / job.gpus - computed(job)));

const computed = ({ outlook, ran }: JobView): Seconds => outlook?.computed ?? ran;

/** Those that run fall by what they have had; each to the end of its next queue. */
function demote(view: ClusterView, queues: JobId[][], limits: readonly number[], arrival: (id: JobId) => number): void {
  for (const [i, limit] of limits.entries()) {
    const fallen = queues[i]!.filter((id) => {
      const { places, service, gpus } = view.job(id);
      return places.length > 0 && limit - service <= slack * gpus;
    });
    filterInPlace(queues[i]!, (id) => !fallen.includes(id));
    queues[i + 1]!.push(...fallen.sort((a, b) => arrival(a) - arrival(b)));
  }
}

function demoteWidest(
  view: ClusterView,
  queues: JobId[][],
  limits: readonly number[],
  arrival: (id: JobId) => number,
): void {
  const gpus = (id: JobId): number => view.job(id).gpus;
  const fallen = limits.map((limit, i) =>
    queues[i]!.filter((id) => {
      const job = view.job(id);
      return job.places.length > 0 && computed(job) * job.gpus >= limit;
    }),
  );
  for (const [i, ids] of fallen.entries()) {
    filterInPlace(queues[i]!, (id) => !ids.includes(id));
    queues[i + 1]!.push(...ids.sort((a, b) => gpus(b) - gpus(a) || arrival(a) - arrival(b)));
  }
}

function filterInPlace(list: JobId[], keeps: (id: JobId) => boolean): void {
  const kept = list.filter(keeps);
  list.length = 0;
  list.push(...kept);
}
