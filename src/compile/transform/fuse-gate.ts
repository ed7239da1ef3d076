/** mul(gelu(a), b) → gate(a, b), likewise silu: the activated row is never written. `prune` then drops the activation. */
import { type Pass, rebuild, uses } from "../transform.ts";

export const fuseGate: Pass = {
  name: "fuse-gate",
  run(graph) {
    const used = uses(graph);
    const fusible = new Map(
      graph.nodes.flatMap(({ id, op, inputs }) =>
        (op.kind === "gelu" || op.kind === "silu") && used.get(id) === 1
          ? [[id, { activation: op.kind, of: inputs[0]! }]]
          : [],
      ),
    );
    return rebuild(graph, (node, { keep, add, renamed }) => {
      const gate = node.op.kind === "mul" ? fusible.get(node.original[0]!) : undefined;
      if (gate === undefined) return keep();
      return add({ kind: "gate", activation: gate.activation }, [renamed(gate.of), node.inputs[1]!], node.type);
    });
  },
};
