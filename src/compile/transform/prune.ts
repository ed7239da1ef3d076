/** Drops what no output needs. What writes the cache, which outlives the step, always stays. */
import type { NodeId } from "../../graph/ir.ts";
import type { Pass } from "../transform.ts";

export const prune: Pass = {
  name: "prune",
  run(graph) {
    const live = new Set<NodeId>(Object.values(graph.outputs));
    for (const node of graph.nodes.toReversed()) {
      if (node.op.kind === "attention" || node.op.kind === "cacheStore") live.add(node.id);
      if (live.has(node.id)) for (const id of node.inputs) live.add(id);
    }
    return { nodes: graph.nodes.filter((n) => live.has(n.id)), outputs: graph.outputs };
  },
};
