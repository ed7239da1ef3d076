/** What must hold of every graph, checked after every pass: a pass that breaks it is named with the node. */
import { assert } from "../core/errors.ts";
import { infer } from "./infer.ts";
import type { Graph, NodeId, Type } from "./ir.ts";
import { printNode } from "./print.ts";

export function verify(graph: Graph, after: string): void {
  const types = new Map<NodeId, Type>();
  for (const node of graph.nodes) {
    assert(!types.has(node.id), () => `after ${after}: two nodes are called %${node.id}`);
    const inputs = node.inputs.map((id) => {
      const type = types.get(id);
      assert(type !== undefined, () => `after ${after}: ${printNode(node)} uses %${id} before it is computed`);
      return type;
    });
    const inferred = infer(node.op, inputs, node.type);
    assert(
      inferred.dtype === node.type.dtype && `${inferred.shape}` === `${node.type.shape}`,
      () => `after ${after}: ${printNode(node)} should be ${inferred.dtype}[${inferred.shape}]`,
    );
    types.set(node.id, node.type);
  }
  for (const [name, id] of Object.entries(graph.outputs)) {
    assert(types.has(id), () => `after ${after}: output ${name} is %${id}, which does not exist`);
  }
}
