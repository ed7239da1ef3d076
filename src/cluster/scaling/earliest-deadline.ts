/** Earliest deadline first, elastic: who is due first gets as many GPUs as it can use, and the next what is left. */
import { settle } from "../buddies.ts";
import { throughputSizes } from "../forecast.ts";
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

  create: () => ({
    sizes(view) {
      const due = (deadline: number | undefined): number => deadline ?? Number.POSITIVE_INFINITY;
      const jobs = [...view.running, ...view.waiting].sort((a, b) => due(a.spec.deadline) - due(b.spec.deadline));
      let free = view.nodes.total();
      const wants = jobs.map((job) => {
        const gpus = throughputSizes(view.nodes, job).findLast((size) => size.gpus <= free)?.gpus ?? 0;
        free -= gpus;
        return { job, gpus };
      });
      const places = settle(
        view.nodes,
        wants.filter(({ gpus }) => gpus > 0),
      );
      return new Map<string, Size>(
        wants.map(({ job: { spec }, gpus }) => {
          const on = places.get(spec.id);
          return [spec.id, on === undefined ? { gpus: 0 } : { gpus, on }];
        }),
      );
    },
  }),
});
