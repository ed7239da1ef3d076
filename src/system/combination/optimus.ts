/** Optimus: marginal gains, the jobs with fewest GPUs placed first, on the emptiest nodes. */
import type { Combination } from "../combination.ts";

export default {
  title: "Optimus",
  paper: {
    title: "Optimus: An Efficient Dynamic Resource Scheduler for Deep Learning Clusters",
    venue: "EuroSys 2018",
    url: "https://doi.org/10.1145/3190508.3190517",
  },
  slots: {
    "cluster/scaling": "optimus",
    "cluster/scheduling": "narrowest",
    "cluster/sharing": "exclusive",
    "cluster/placement": "least-allocated",
  },
} satisfies Combination;
