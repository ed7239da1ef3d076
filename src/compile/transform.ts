/** A pass: a function from a graph to a graph, with a name. `transform/` holds those that every program needs. */
import type { Graph, Node, NodeId, Op, Type } from "../graph/ir.ts";
import type { WeightFormat } from "./layout.ts";

export interface PassContext {
  /** How each matrix is kept in device memory. */
  readonly formats: ReadonlyMap<string, WeightFormat>;
}

export interface Pass {
  readonly name: string;
  run(graph: Graph, context: PassContext): Graph;
}

/** A node under rewriting: `inputs` are ids of the new graph, `original` those of the old one. */
export interface Rewritten extends Node {
  readonly original: readonly NodeId[];
}

export interface Rewriter {
  /** Adds the node as it is. */
  keep(): NodeId;
  add(op: Op, inputs: readonly NodeId[], type: Type): NodeId;
  /** A node of the new graph. */
  node(id: NodeId): Node;
  /** The new id of an old node. */
  renamed(id: NodeId): NodeId;
}

/** Rebuilds a graph node by node; `rewrite` gives the new id that stands for each. */
export function rebuild(graph: Graph, rewrite: (node: Rewritten, write: Rewriter) => NodeId): Graph {
  const nodes: Node[] = [];
  const names = new Map<NodeId, NodeId>();
  const renamed = (id: NodeId): NodeId => names.get(id)!;
  const add = (op: Op, inputs: readonly NodeId[], type: Type): NodeId => {
    nodes.push({ id: nodes.length, op, inputs, type });
    return nodes.length - 1;
  };
  for (const old of graph.nodes) {
    const node = { ...old, inputs: old.inputs.map(renamed), original: old.inputs };
    const keep = (): NodeId => add(node.op, node.inputs, node.type);
    names.set(old.id, rewrite(node, { keep, add, node: (id) => nodes[id]!, renamed }));
  }
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, renamed(id)]));
  return { nodes, outputs };
}

/** How often each node is used, outputs included. */
export function uses(graph: Graph): Map<NodeId, number> {
  const count = new Map<NodeId, number>();
  const use = (id: NodeId): void => void count.set(id, (count.get(id) ?? 0) + 1);
  for (const node of graph.nodes) for (const id of node.inputs) use(id);
  for (const id of Object.values(graph.outputs)) use(id);
  return count;
}
