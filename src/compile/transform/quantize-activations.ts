/** Before each product with weights of few bits, its activations get the type that the product reads, once for all that share them. */
import type { NodeId } from "../../graph/ir.ts";
import { type Pass, rebuild } from "../transform.ts";

export const quantizeActivations: Pass = {
  name: "quantize-activations",
  run(graph, { formats }) {
    const made = new Map<string, NodeId>();
    return rebuild(graph, (node, { keep, add, node: at }) => {
      if (node.op.kind !== "linear") return keep();
      const [x, w, ...bias] = node.inputs;
      const weight = at(w!).op;
      const format = weight.kind === "weight" ? formats.get(weight.name)?.kind : undefined;
      if (format !== "blocks" && format !== "bf16") return keep();
      const kind = format === "blocks" ? "quantize" : "narrow";
      const type = { dtype: format === "blocks" ? "q8" : "bf16", shape: at(x!).type.shape } as const;
      const known = made.get(`${kind} ${x}`) ?? add({ kind }, [x!], type);
      made.set(`${kind} ${x}`, known);
      return add(node.op, [known, w!, ...bias], node.type);
    });
  },
};
