/** Which arrays of a graph lie in memory: the rest is computed, again and again, where it is read. */
import type { ArrayNode } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import { stridesOf } from "./form.ts";
import { isInlined, nestOf, type Root } from "./nest.ts";
import type { Prepared } from "./prepare.ts";

const slow = new Set(["exp", "log", "sin", "cos", "tanh", "sigmoid", "erf", "gelu", "silu"]);

const isLocal = ({ op }: ArrayNode): boolean =>
  op.kind === "unary" || op.kind === "binary" || op.kind === "where" || op.kind === "cast";

/** About how many instructions computing an element takes, what is in memory not counted. */
function costOf(node: ArrayNode, costs: ReadonlyMap<NodeId, number>): number {
  const { op } = node;
  const own = op.kind === "unary" && slow.has(op.fn) ? 12 : op.kind === "binary" && op.fn === "pow" ? 60 : 1;
  return (isLocal(node) ? own : 0) + node.inputs.reduce((n, id) => n + (costs.get(id) ?? 0), 0);
}

/** Recomputing costs less than reading up to here. */
const cheap = 1;
/** Expressions beyond this are cut: registers are few, and so is what V8 and the loop buffers take. */
const costMax = 400;

export function rootsOf({ nodes, outputs }: Prepared): Set<NodeId> {
  const roots = new Set<NodeId>(Object.values(outputs));
  const users = new Map<NodeId, ArrayNode[]>();
  for (const node of nodes) for (const id of new Set(node.inputs)) users.set(id, [...(users.get(id) ?? []), node]);
  for (const node of nodes) {
    if (isInlined(node.op)) continue;
    roots.add(node.id);
    for (const id of node.inputs) {
      // Sums, joins and products read through movement; the others want their inputs as they are.
      if (!["reduce", "pad", "concat"].includes(node.op.kind)) roots.add(id);
    }
  }
  const costs = new Map<NodeId, number>();
  for (const node of nodes) {
    if (roots.has(node.id)) continue;
    const cost = costOf(node, costs);
    const readers = users.get(node.id) ?? [];
    const repeated = readers.some(({ op }) => op.kind === "expand" || op.kind === "matmul");
    if (isLocal(node) && cost > cheap && (readers.length > 1 || repeated || cost > costMax)) roots.add(node.id);
    else costs.set(node.id, cost);
  }
  settle(nodes, roots);
  return roots;
}

/** What is evaluated for a node that lies in memory, and where it goes; none for inputs and operations with kernels of their own. */
export function nestRoots(node: ArrayNode, graph: ReadonlyMap<NodeId, ArrayNode>): readonly Root[] {
  const { id, op, inputs, type } = node;
  const strides = stridesOf(type.shape);
  const base = { node: id, dtype: type.dtype, strides, start: 0, reduced: [] };
  const shapeOf = (input: NodeId): readonly number[] => graph.get(input)!.type.shape;
  if (isInlined(op)) return [{ ...base, source: id, shape: type.shape }];
  switch (op.kind) {
    case "reduce": {
      const kept = strides.map((s, axis) => (op.axes.includes(axis) ? 0 : s));
      const shape = shapeOf(inputs[0]!);
      return [{ ...base, source: inputs[0]!, shape, reduced: op.axes, fn: op.fn, strides: kept }];
    }
    case "pad": {
      const start = strides.reduce((sum, s, axis) => sum + s * op.low[axis]!, 0);
      const steps = strides.map((s, axis) => s * (op.interior[axis]! + 1));
      const fill: Root = { ...base, source: { fill: op.value, dtype: type.dtype }, shape: type.shape };
      return [fill, { ...base, source: inputs[0]!, shape: shapeOf(inputs[0]!), strides: steps, start }];
    }
    case "concat": {
      let start = 0;
      return inputs.map((input) => {
        const root = { ...base, source: input, shape: shapeOf(input), start };
        start += shapeOf(input)[op.axis]! * strides[op.axis]!;
        return root;
      });
    }
    default:
      return [];
  }
}

/** Adds what must lie in memory because it is moved in a way that no sums over loops express. */
function settle(nodes: readonly ArrayNode[], roots: Set<NodeId>): void {
  const graph = new Map(nodes.map((node) => [node.id, node]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes.toReversed()) {
      if (!roots.has(node.id)) continue;
      for (const root of nestRoots(node, graph)) {
        for (;;) {
          const nest = nestOf(graph, roots, [root]);
          if (!("needs" in nest)) break;
          roots.add(nest.needs);
          changed = true;
        }
      }
    }
  }
}
