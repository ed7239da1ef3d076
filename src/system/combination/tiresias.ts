/** Tiresias as Pollux's simulation has it: two queues by GPU time, on the emptiest nodes. */
import type { Combination } from "../combination.ts";

export default {
  title: "Tiresias",
  paper: {
    title: "Tiresias: A GPU Cluster Manager for Distributed Deep Learning",
    venue: "NSDI 2019",
    url: "https://www.usenix.org/conference/nsdi19/presentation/gu",
  },
  slots: {
    "cluster/scaling": "requested",
    "cluster/scheduling": "tiresias",
    "cluster/sharing": "exclusive",
    "cluster/placement": "least-allocated",
  },
} satisfies Combination;
