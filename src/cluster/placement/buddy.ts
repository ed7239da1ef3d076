/** Buddy allocation: each gang in the smallest block that holds it, so that blocks of all sizes stay whole. */
import { Buddies } from "../buddies.ts";
import { placement } from "../placement.ts";

export default placement({
  title: "Buddy allocation",
  paper: {
    title: "ElasticFlow: An Elastic Serverless Training Platform for Distributed Deep Learning",
    venue: "ASPLOS 2023",
    url: "https://doi.org/10.1145/3575693.3575721",
  },
  rows: [],
  idea: "Put a gang of 2^k GPUs into the fullest node that has room for it, or onto neighbouring whole nodes from a multiple of their number on.",
  differs: [
    "The levels are GPUs of a node and nodes by index; the authors' have sockets and switches too.",
    "One job at a time: the jobs that must move for a gang move where scaling names places itself (`elasticflow`).",
  ],
  options: {},
  claim: "baseline",

  create: () => ({
    place(job, gpus, nodes, type) {
      const on = new Buddies(nodes, "as-is").take(gpus, type === undefined ? job.spec.types : [type]);
      return on === undefined ? undefined : { on };
    },
  }),
});
