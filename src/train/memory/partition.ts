/**
 * A training step cut into units, each a small graph of its own that is compiled and run by itself.
 *
 * What computes much (products, convolutions, poolings, reductions) makes a tensor, and so do operations of elements that many
 * read or that a product reads; everything else is part of the unit that reads it, as a compiler fuses it.
 */
import { type ArrayGraph, type ArrayNode, type ArrayOpKind, bytesOfType, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";

/** Nodes of one unit, ascending; the last is the one whose values it leaves. */
export interface Part {
  readonly nodes: readonly NodeId[];
  /** Nodes of other parts, or inputs, whose values it takes. */
  readonly reads: readonly NodeId[];
  /** How it takes them: under their own shape (the node itself) or another one (a reshape of it). */
  readonly views: readonly { readonly node: NodeId; readonly source: NodeId }[];
  readonly result: NodeId;
}

/** Their operands lie in memory. */
const dense: ReadonlySet<ArrayOpKind> = new Set([
  ...(["matmul", "conv2d", "conv2dInput", "conv2dWeight", "pool2d", "pool2dInput"] as const),
  ...(["attention", "attentionInput"] as const),
  ...(["take", "scatterAdd", "argmax", "cumsum"] as const),
]);
const leaves: ReadonlySet<ArrayOpKind> = new Set<ArrayOpKind>([...dense, "reduce", "random", "concat"]);
/** Read anew wherever they are wanted. */
const free: ReadonlySet<ArrayOpKind> = new Set<ArrayOpKind>(["constant", "iota"]);
const costly = new Set(["exp", "log", "sin", "cos", "tanh", "sigmoid", "erf", "gelu", "silu", "pow"]);

export const bytesOfNode = ({ type }: ArrayNode): number => bytesOfType[type.dtype] * sizeOf(type.shape);

export function partition(graph: ArrayGraph): readonly Part[] {
  const placed = placedNodes(graph);
  return graph.nodes.flatMap(({ id, op }): Part[] => {
    if (op.kind === "input" || !placed.has(id)) return [];
    const nodes = new Set<NodeId>();
    const views = new Map<NodeId, NodeId>();
    const follow = (node: NodeId): void => {
      nodes.add(node);
      for (const input of graph.nodes[node]!.inputs) {
        const source = sourceOf(graph, placed, input);
        if (source !== undefined) views.set(input, source);
        else if (!nodes.has(input)) follow(input);
      }
    };
    follow(id);
    const ascending = (ids: Iterable<NodeId>): NodeId[] => [...new Set(ids)].sort((a, b) => a - b);
    const taken = ascending(views.keys()).map((node) => ({ node, source: views.get(node)! }));
    return [{ nodes: ascending(nodes), reads: ascending(views.values()), views: taken, result: id }];
  });
}

/** What lies in memory and has a node's elements in their order. */
function sourceOf({ nodes }: ArrayGraph, placed: ReadonlySet<NodeId>, node: NodeId): NodeId | undefined {
  if (placed.has(node)) return node;
  return nodes[node]!.op.kind === "reshape"
    ? sourceOf({ nodes, outputs: {} }, placed, nodes[node]!.inputs[0]!)
    : undefined;
}

/** Nodes whose values lie in memory between units; what no output depends on is left out. */
function placedNodes({ nodes, outputs }: ArrayGraph): ReadonlySet<NodeId> {
  const results = new Set(Object.values(outputs));
  const alive = new Set<NodeId>(results);
  const readers = nodes.map((): NodeId[] => []);
  for (const { id, inputs } of nodes.toReversed()) {
    if (!alive.has(id)) continue;
    for (const input of inputs) {
      alive.add(input);
      readers[input]!.push(id);
    }
  }
  /** Read by an operation whose operands lie in memory, be it under another shape. */
  const readDense = nodes.map(() => false);
  for (const { id } of nodes.toReversed()) {
    readDense[id] = readers[id]!.some((r) => {
      const { kind } = nodes[r]!.op;
      return dense.has(kind) || (kind === "reshape" && readDense[r]!);
    });
  }
  const placed = new Set<NodeId>();
  /** What lies in memory that an operation reads, through those that do not. */
  const sources = nodes.map((): ReadonlySet<NodeId> => new Set());
  for (const node of nodes) {
    const { id, op, inputs } = node;
    if (!alive.has(id)) continue;
    const wide = (of: NodeId): number =>
      [...sources[of]!].filter((s) => 2 * bytesOfNode(nodes[s]!) > bytesOfNode(nodes[of]!)).length;
    const read = (): ReadonlySet<NodeId> => new Set(inputs.flatMap((i) => (placed.has(i) ? [i] : [...sources[i]!])));
    sources[id] = read();
    if (wide(id) > 2) {
      // Long sums would hold all their terms at once: what two of them give is put down first.
      for (const i of inputs) if (!placed.has(i) && wide(i) > 1) placed.add(i);
      sources[id] = read();
    }
    const transcendental = (op.kind === "unary" || op.kind === "binary") && costly.has(op.fn);
    const shared = readers[id]!.length > 1 && (wide(id) > 1 || transcendental);
    const lies =
      op.kind === "input" ||
      results.has(id) ||
      leaves.has(op.kind) ||
      (readDense[id]! && op.kind !== "reshape") ||
      shared;
    if (lies && (results.has(id) || !free.has(op.kind))) placed.add(id);
  }
  return placed;
}

/** The part as a graph: what it reads are inputs by their place, what it leaves is the output `y`. Equal parts give equal graphs. */
export function graphOfPart(graph: ArrayGraph, { nodes, views, result }: Part): ArrayGraph {
  const all = [...views.map((v) => v.node), ...nodes];
  const idOf = new Map(all.map((node, id) => [node, id]));
  return {
    nodes: all.map((node, id): ArrayNode => {
      const { op, inputs, type } = graph.nodes[node]!;
      if (id < views.length) return { id, op: { kind: "input", name: inputName(id) }, inputs: [], type };
      return { id, op, inputs: inputs.map((i) => idOf.get(i)!), type };
    }),
    outputs: { y: idOf.get(result)! },
  };
}

/** Of what a part takes, by its place in `views`. */
export const inputName = (place: number): string => `read${place}`;
