/**
 * Apathetic future share: of two jobs, GPUs go to the one whose speed they raise more for what the shorter one holds. Pair by pair,
 * that orders all jobs, without a look at what may arrive.
 */
import type { JobId, JobView } from "../job.ts";
import { holds, type Size, scaling } from "../scaling.ts";
import { deal, dealAll } from "./afs/deal.ts";
import { gather, Sharer, type Speeds, speedsOf } from "./afs/sharer.ts";
import { WaitingSharers } from "./afs/waiting.ts";

export default scaling({
  title: "Apathetic Future Share (AFS)",
  paper: {
    title: "Elastic Resource Sharing for Distributed Deep Learning",
    venue: "NSDI 2021",
    url: "https://www.usenix.org/conference/nsdi21/presentation/hwang",
  },
  rows: ["afs"],
  idea: "Give each GPU to the winner of all pairs: of the shorter job a and the longer b, b wins if the speed it would gain on one more GPU, in parts of its speed with it, exceeds what a would gain in parts of its speed without it.",
  differs: [
    "Sizes go up by one GPU where a job was measured on all of them; speeds between measured powers of two are interpolated.",
    "What was dealt to jobs that cannot run on so few GPUs goes, whole, to the shortest of them.",
    "Jobs whose work left nobody knows are AFS-P: they are taken to be as long as what they have done (attained service), as with `known` 0.",
    "A job keeps its size until something happens; GPUs of a job that ends are dealt anew with all others.",
  ],
  options: {
    known: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether lengths of jobs are looked at (AFS-L), or their past alone (AFS-P).",
    },
  },
  claim: { metric: "averageJct", better: "lower", than: "requested", on: "tenants", factor: 1.5, where: "sim" },

  create({ known }) {
    const waiting = new WaitingSharers(known > 0);
    const speeds = new Map<JobId, Speeds>();
    return {
      unnamed: "held",
      sizes(view) {
        for (const { spec } of view.ended) speeds.delete(spec.id);
        waiting.sync(view);
        const running: JobView[] = [];
        const speedOf: Speeds[] = [];
        let most = waiting.most;
        for (const job of view.running) {
          const before = speeds.get(job.spec.id);
          const now = speedsOf(view.nodes, job, before);
          if (now !== before) speeds.set(job.spec.id, now);
          running.push(job);
          speedOf.push(now);
          most += now.most;
        }
        const total = view.nodes.total();
        if (most <= total) {
          // Nobody takes a GPU from anybody.
          const dealt = running.map((job, place) => ({ job, gpus: speedOf[place]!.most }));
          return sizesOf(dealt, dealAll(waiting));
        }
        const sharers = running.map((job, place) => new Sharer(job, place, speedOf[place]!, known > 0));
        const started = deal(sharers, waiting, total);
        gather([...sharers, ...started]);
        return sizesOf(sharers, started);
      },
    };
  },
});

type Dealt = Pick<Sharer, "job" | "gpus">;

/** Most GPUs first, without those who hold as many already. */
function sizesOf(running: readonly Dealt[], started: readonly Sharer[]): Map<JobId, Size> {
  const dealt: Dealt[] = [...running, ...started.toSorted((a, b) => a.place - b.place)];
  const changed = dealt.filter(({ job, gpus }) => !holds(job, gpus)).sort((a, b) => b.gpus - a.gpus);
  return new Map(changed.map(({ job, gpus }) => [job.spec.id, { gpus }]));
}
