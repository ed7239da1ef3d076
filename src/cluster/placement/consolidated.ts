/** Best fit: small holes are filled first, and a gang that spans nodes spans as few as it can. */
import { fullest, placement, spread } from "../placement.ts";

export default placement({
  title: "Consolidated",
  rows: [],
  idea: "Take the node that the job leaves the fewest free GPUs on; where no node holds it, as few nodes as possible, the emptiest first.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({
    place({ spec }, gpus, nodes, type) {
      const types = type === undefined ? spec.types : [type];
      const on = fullest(nodes, spec, gpus, types) ?? spread(nodes, spec, gpus, types, true);
      return on && { on };
    },
  }),
});
