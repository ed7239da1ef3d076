/** Before each product with int8 weights, its activations are quantised, once for all products that share them. */
import type { NodeId } from "../../graph/ir.ts";
import { type Pass, rebuild } from "../transform.ts";

export const quantizeActivations: Pass = {
  name: "quantize-activations",
  run(graph, { formats }) {
    const quantised = new Map<NodeId, NodeId>();
    return rebuild(graph, (node, { keep, add, node: at }) => {
      if (node.op.kind !== "linear") return keep();
      const [x, w, ...bias] = node.inputs;
      const weight = at(w!).op;
      if (weight.kind !== "weight" || formats.get(weight.name)?.kind !== "int8") return keep();
      const type = { dtype: "q8", shape: at(x!).type.shape } as const;
      const q = quantised.get(x!) ?? add({ kind: "quantize" }, [x!], type);
      quantised.set(x!, q);
      return add(node.op, [q, w!, ...bias], node.type);
    });
  },
};
