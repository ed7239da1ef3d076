/** Least attained service in two dimensions, GPUs and seconds: who has used least runs, though nobody knows how long jobs take. */
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { listed } from "../job-order.ts";
import { refill } from "../regroup.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";

export default scheduling({
  title: "2D-LAS",
  rows: [],
  idea: "Rank all jobs by the GPU-seconds they have had, and give the whole cluster, emptied, to the first that fit.",
  differs: [
    "Ranked only when something happens or a round begins (Muri's simulator): between events, a job may get far ahead of others that wait.",
    "`keep` is the order of equals with Muri in its simulator, which sorts one list again and again.",
    "A gang fits where one node has all its GPUs, or as many whole nodes as it needs; jobs are moved where that makes room.",
  ],
  options: {
    keep: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: equals stand as at the last decision, the widest first, as with Muri in its simulator; else those that run come first",
    },
  },
  claim: "baseline",

  create({ keep }) {
    const waiting = new WaitingOrder(({ service }) => service);
    const kept: JobId[] = [];
    return {
      decide(view) {
        if (keep === 0) {
          waiting.sync(view);
          return refill(view, waiting.all(view));
        }
        const order = inOrder(kept, view)
          .map((job) => ({ job, service: job.service }))
          .sort((a, b) => a.service - b.service)
          .map(({ job }) => job);
        const widest = order.toSorted((a, b) => b.gpus - a.gpus);
        kept.splice(0, kept.length, ...widest.map(({ spec }) => spec.id));
        return refill(
          view,
          listed(() => order),
        );
      },
    };
  },
});

/** Those of `kept` that are still there, then who is new, as they came. */
function inOrder(kept: readonly JobId[], view: ClusterView): readonly JobView[] {
  const present = new Map([...view.running, ...view.waiting].map((job) => [job.spec.id, job]));
  const old = kept.flatMap((id) => present.get(id) ?? []);
  for (const { spec } of old) present.delete(spec.id);
  return [...old, ...[...present.values()].sort((a, b) => a.spec.submit - b.spec.submit)];
}
