/** Muri where durations are known: those with the least GPU time left are grouped first. */
import type { Combination } from "../combination.ts";

export default {
  title: "Muri-S",
  paper: {
    title: "Multi-Resource Interleaving for Deep Learning Training",
    venue: "SIGCOMM 2022",
    url: "https://doi.org/10.1145/3544216.3544224",
  },
  slots: {
    "cluster/scaling": "requested",
    "cluster/scheduling": "srsf",
    "cluster/sharing": "muri",
    "cluster/placement": "first-fit",
  },
} satisfies Combination;
