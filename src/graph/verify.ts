/** What must hold of every graph, checked after every pass: a pass that breaks it is named with the node. */
import { assert } from "../core/errors.ts";
import type { ArrayGraph } from "./array.ts";
import { inferArray } from "./array-infer.ts";
import { infer } from "./infer.ts";
import type { Graph, NodeId } from "./ir.ts";
import { printNode } from "./print.ts";

export const verify = (graph: Graph, after: string): void => verifyTyped(graph, after, infer);

export const verifyArrays = (graph: ArrayGraph, after: string): void => verifyTyped(graph, after, inferArray);

interface AnyType {
  readonly dtype: string;
  readonly shape: readonly unknown[];
}

function verifyTyped<O extends { readonly kind: string }, T extends AnyType>(
  graph: Graph<O, T>,
  after: string,
  inferred: (op: O, inputs: readonly T[], declared: T) => T,
): void {
  const types = new Map<NodeId, T>();
  for (const node of graph.nodes) {
    assert(!types.has(node.id), () => `after ${after}: two nodes are called %${node.id}`);
    const inputs = node.inputs.map((id) => {
      const type = types.get(id);
      assert(type !== undefined, () => `after ${after}: ${printNode(node)} uses %${id} before it is computed`);
      return type;
    });
    const should = inferred(node.op, inputs, node.type);
    assert(
      should.dtype === node.type.dtype && `${should.shape}` === `${node.type.shape}`,
      () => `after ${after}: ${printNode(node)} should be ${should.dtype}[${should.shape}]`,
    );
    types.set(node.id, node.type);
  }
  for (const [name, id] of Object.entries(graph.outputs)) {
    assert(types.has(id), () => `after ${after}: output ${name} is %${id}, which does not exist`);
  }
}
