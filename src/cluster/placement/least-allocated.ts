/** The emptiest node, as Kubernetes' scheduler scores nodes unless it is told otherwise (NodeResourcesFit, LeastAllocated). */
import { fitsHost, placement, spread } from "../placement.ts";

export default placement({
  title: "Least allocated",
  rows: [],
  idea: "Take the node that has most free GPUs; where no node holds the job, as many as it takes, the emptiest first.",
  differs: [
    "Kubernetes' score is the mean of the free fractions of CPUs and memory unless GPUs are added to it; here GPUs alone count.",
  ],
  options: {},
  claim: "baseline",

  create: () => ({
    place({ spec }, gpus, nodes, type) {
      const types = type === undefined ? spec.types : [type];
      for (let free = nodes.gpusMax; free >= gpus; free--) {
        for (const of of types ?? [undefined]) {
          for (const node of nodes.withFree(free, of)) {
            if (fitsHost(nodes, spec, node)) return { on: [{ node, gpus }] };
          }
        }
      }
      const on = spread(nodes, spec, gpus, types, true);
      return on && { on };
    },
  }),
});
