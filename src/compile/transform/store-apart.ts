/** Appending to the cache becomes a node of its own, so that it can be done where keys and values are computed. */
import { type Pass, rebuild } from "../transform.ts";

export const storeApart: Pass = {
  name: "store-apart",
  run(graph) {
    return rebuild(graph, (node, { keep, add, node: at }) => {
      const { op, inputs, type } = node;
      const [q, k, v, positions] = inputs;
      if (op.kind !== "attention" || at(k!).op.kind === "cacheStore") return keep();
      const stored = add({ kind: "cacheStore", layer: op.layer }, [k!, v!], at(k!).type);
      return add(op, [q!, stored, stored, positions!], type);
    });
  },
};
