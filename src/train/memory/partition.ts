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
    const reads = new Set<NodeId>();
    const follow = (node: NodeId): void => {
      nodes.add(node);
      for (const input of graph.nodes[node]!.inputs) {
        if (placed.has(input)) reads.add(input);
        else if (!nodes.has(input)) follow(input);
      }
    };
    follow(id);
    return [{ nodes: [...nodes].sort((a, b) => a - b), reads: [...reads].sort((a, b) => a - b), result: id }];
  });
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
    const readDense = readers[id]!.some((r) => dense.has(nodes[r]!.op.kind)) && op.kind !== "reshape";
    const transcendental = (op.kind === "unary" || op.kind === "binary") && costly.has(op.fn);
    const shared = readers[id]!.length > 1 && (wide(id) > 1 || transcendental);
    const lies = op.kind === "input" || results.has(id) || leaves.has(op.kind) || readDense || shared;
    if (lies && (results.has(id) || !free.has(op.kind))) placed.add(id);
  }
  return placed;
}

/** The part as a graph: what it reads are inputs `n`+id, what it leaves is the output `y`. */
export function graphOfPart(graph: ArrayGraph, { nodes, reads, result }: Part): ArrayGraph {
  const all = [...reads, ...nodes];
  const idOf = new Map(all.map((node, id) => [node, id]));
  const read = new Set(reads);
  return {
    nodes: all.map((node, id): ArrayNode => {
      const { op, inputs, type } = graph.nodes[node]!;
      if (read.has(node)) return { id, op: { kind: "input", name: inputName(node) }, inputs: [], type };
      return { id, op, inputs: inputs.map((i) => idOf.get(i)!), type };
    }),
    outputs: { y: idOf.get(result)! },
  };
}

export const inputName = (node: NodeId): string => `n${node}`;
