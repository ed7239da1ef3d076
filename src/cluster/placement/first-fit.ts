/** The first nodes that have room. */
import type { NodesView, Share } from "../node.ts";
import { fitsHost, placement, spread } from "../placement.ts";

export default placement({
  title: "First fit",
  rows: [],
  idea: "Take the first node by index that has enough free GPUs; where none has, the free GPUs of nodes in their order.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({
    place({ spec }, gpus, nodes, type) {
      const types = type === undefined ? spec.types : [type];
      let first: number | undefined;
      for (let free = gpus; free <= nodes.gpusMax; free++) {
        const node = firstWith(nodes, free, types, (n) => fitsHost(nodes, spec, n));
        if (node !== undefined && (first === undefined || node < first)) first = node;
      }
      if (first !== undefined) return { on: [{ node: first, gpus }] };
      const on: readonly Share[] | undefined = spread(nodes, spec, gpus, types);
      return on && { on };
    },
  }),
});

/** The first node, of these types, with exactly so many free GPUs. */
function firstWith(
  nodes: NodesView,
  free: number,
  types: readonly string[] | undefined,
  fits: (node: number) => boolean,
): number | undefined {
  let first: number | undefined;
  for (const type of types ?? [undefined]) {
    for (const node of nodes.withFree(free, type)) {
      if (!fits(node)) continue;
      if (first === undefined || node < first) first = node;
      break;
    }
  }
  return first;
}
