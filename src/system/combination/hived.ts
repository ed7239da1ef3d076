import type { Combination } from "../combination.ts";

export default {
  title: "HiveD",
  paper: {
    title: "HiveD: Sharing a GPU Cluster for Deep Learning with Guarantees",
    venue: "OSDI 2020",
    url: "https://www.usenix.org/conference/osdi20/presentation/zhao-hanyu",
  },
  slots: {
    "cluster/scheduling": "in-priority",
    "cluster/scaling": "requested",
    "cluster/sharing": "exclusive",
    "cluster/placement": "hived",
  },
} satisfies Combination;
