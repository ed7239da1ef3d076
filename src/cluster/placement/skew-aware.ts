/** Tiresias's placement: only jobs whose model has one tensor far larger than the others wait for GPUs side by side. */
import { fullest, type Place, placement, spread } from "../placement.ts";
import { tensorSkew } from "../tensor-skew.ts";

export default placement({
  title: "Skew-aware placement",
  paper: {
    title: "Tiresias: A GPU Cluster Manager for Distributed Deep Learning",
    venue: "NSDI 2019",
    url: "https://www.usenix.org/conference/nsdi19/presentation/gu",
  },
  rows: ["tiresias"],
  idea: "A job whose largest tensor is a large part of its model runs on as few nodes as can hold it, or waits for them; any other fills the smallest holes, so that whole nodes stay free.",
  differs: [
    "Skew is the largest tensor's part of all parameters, from a table of architectures by the name of the job's model; the paper's profiler watches messages on the network.",
    "A model that is not in the table is spread where it has to be.",
  ],
  options: {
    threshold: {
      default: 0.5,
      unit: "of the model",
      min: 0,
      help: "PackLimit: the part of the model in its largest tensor from which on the job waits for few nodes",
    },
  },
  claim: { metric: "averageJct", better: "lower", than: "consolidated", on: "skewed", factor: 1.05, where: "sim" },

  create: ({ threshold }) => ({
    place({ spec }, gpus, nodes, type): Place | undefined {
      const types = type === undefined ? spec.types : [type];
      // The fullest node that has room, for one that may be spread too: a hole filled is a whole node kept.
      const hole = fullest(nodes, spec, gpus, types);
      if (hole !== undefined) return { on: hole };
      const packed = spread(nodes, spec, gpus, types, true);
      if (packed === undefined) return undefined;
      const waits = packed.length > Math.ceil(gpus / nodes.gpusMax) && (tensorSkew(spec.model ?? "") ?? 0) >= threshold;
      return waits ? undefined : { on: packed };
    },
  }),
});
