/** ElasticFlow whole: promised shares, in blocks of buddies, largest first. */
import type { Combination } from "../combination.ts";

export default {
  title: "ElasticFlow",
  paper: {
    title: "ElasticFlow: An Elastic Serverless Training Platform for Distributed Deep Learning",
    venue: "ASPLOS 2023",
    url: "https://doi.org/10.1145/3575693.3575721",
  },
  slots: {
    "cluster/scaling": "elasticflow",
    "cluster/scheduling": "widest",
    "cluster/sharing": "exclusive",
    "cluster/placement": "buddy",
  },
} satisfies Combination;
