/** Gandiva whole: turns, packing by measured rates, grow-shrink, and places by affinity. */
import type { Combination } from "../combination.ts";

export default {
  title: "Gandiva",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  slots: {
    "cluster/scaling": "grow-shrink",
    "cluster/scheduling": "gandiva",
    "cluster/sharing": "packing",
    "cluster/placement": "affinity",
  },
} satisfies Combination;
