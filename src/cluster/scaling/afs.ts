/**
 * Apathetic future share: of two jobs, GPUs go to the one whose speed they raise more for what the shorter one holds. Pair by pair,
 * that orders all jobs, without a look at what may arrive.
 */
import type { JobId } from "../job.ts";
import { holds, type Size, scaling } from "../scaling.ts";
import { deal } from "./afs/deal.ts";
import { gather } from "./afs/sharer.ts";
import { Sharers } from "./afs/sharers.ts";

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
    "Jobs are compared in the order of their arrival, where the paper begins with any of them: in one that changes with every start, winners would change too, since who beats whom is not transitive.",
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
    const sharers = new Sharers(known > 0);
    return {
      unnamed: "held",
      sizes(view) {
        sharers.sync(view);
        const total = view.nodes.total();
        if (sharers.most <= total) {
          // Nobody takes a GPU from anybody.
          for (const sharer of sharers.all()) if (sharer.most > 0) sharers.give(sharer, sharer.most);
        } else {
          deal(sharers, total);
          gather(sharers.dealt);
        }
        return sizesOf(sharers);
      },
    };
  },
});

/** Most GPUs first, without those who hold as many already. */
function sizesOf({ running, dealt }: Sharers): Map<JobId, Size> {
  const changed = [...dealt.filter(({ gpus }) => gpus > 0), ...running.filter(({ gpus }) => gpus === 0)]
    .filter(({ job, gpus }) => !holds(job, gpus))
    .sort((a, b) => b.gpus - a.gpus || a.place - b.place);
  return new Map(changed.map(({ job, gpus }) => [job.spec.id, { gpus }]));
}
