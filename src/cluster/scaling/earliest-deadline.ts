/** Earliest deadline first, elastic: who is due first gets as many GPUs as it can use, and the next what is left. */
import { settle } from "../buddies.ts";
import { throughputSizes } from "../forecast.ts";
import type { JobView } from "../job.ts";
import { type Claims, LeastLines } from "../least-lines.ts";
import { type Size, scaling } from "../scaling.ts";

export default scaling({
  title: "Elastic EDF",
  rows: [],
  idea: "By deadline, give each job the largest power of two of GPUs that is free and that it can run on.",
  differs: [
    "It gives the most GPUs even where fewer would be faster, as the baseline of ElasticFlow's evaluation does.",
  ],
  options: {},
  claim: "baseline",

  create() {
    const lines = new LeastLines(claims);
    return {
      unnamed: "nothing",
      sizes(view) {
        const { nodes } = view;
        lines.sync(view);
        let free = nodes.total();
        const wants: { readonly job: JobView; readonly gpus: number }[] = [];
        for (const job of lines.walk(view.running, () => free)) {
          const gpus = throughputSizes(nodes, job).findLast((size) => size.gpus <= free)?.gpus ?? 0;
          free -= gpus;
          wants.push({ job, gpus });
        }
        const places = settle(
          nodes,
          wants.filter(({ gpus }) => gpus > 0),
        );
        return new Map<string, Size>(
          wants.map(({ job: { spec }, gpus }) => {
            const on = places.get(spec.id);
            return [spec.id, on === undefined ? { gpus: 0 } : { gpus, on }];
          }),
        );
      },
    };
  },
});

/** Seconds: later than any deadline. */
const never = 2 ** 40;

const claims: Claims = {
  // Who has no deadline comes after all others, by submission.
  rank: ({ spec }) => spec.deadline ?? never + spec.submit,
  least: (job, nodes) => throughputSizes(nodes, job)[0]!.gpus,
};
