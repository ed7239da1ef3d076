/** Pollux: its search decides sizes and places; whoever has a size runs. */
import type { Combination } from "../combination.ts";

export default {
  title: "Pollux",
  paper: {
    title: "Pollux: Co-adaptive Cluster Scheduling for Goodput-Optimized Deep Learning",
    venue: "OSDI 2021",
    url: "https://www.usenix.org/conference/osdi21/presentation/qiao",
  },
  slots: {
    "cluster/scaling": "pollux",
    "cluster/scheduling": "narrowest",
    "cluster/sharing": "exclusive",
    "cluster/placement": "least-allocated",
  },
} satisfies Combination;
