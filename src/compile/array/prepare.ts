/**
 * Rewrites of a graph that make each later step simple: only nodes that are needed, each output a node of its own, and long
 * sums as sums of sums, so that they are exact enough and there is work for all threads.
 */
import { type ArrayGraph, type ArrayNode, type ArrayOp, type ArrayType, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";

export interface Prepared {
  readonly nodes: readonly ArrayNode[];
  readonly outputs: Readonly<Record<string, NodeId>>;
  /** Nodes that this step made, by the node that they are a part of. */
  readonly parts: ReadonlyMap<NodeId, NodeId>;
}

/** A sum of more elements than this is split. */
const chainMax = 2048;

export function prepare(graph: ArrayGraph): Prepared {
  const needed = new Set<NodeId>(Object.values(graph.outputs));
  for (const node of graph.nodes.toReversed()) if (needed.has(node.id)) for (const id of node.inputs) needed.add(id);
  const nodes: ArrayNode[] = [];
  const parts = new Map<NodeId, NodeId>();
  let next = graph.nodes.reduce((most, { id }) => Math.max(most, id), -1) + 1;
  const add = (of: NodeId, op: ArrayOp, inputs: readonly NodeId[], type: ArrayType): NodeId => {
    const id = next++;
    nodes.push({ id, op, inputs, type });
    parts.set(id, of);
    return id;
  };
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    if (node.op.kind !== "reduce") nodes.push(node);
    else splitReduce(node, graph, add, (last) => nodes.push(last));
  }
  const outputs: Record<string, NodeId> = {};
  const taken = new Set<NodeId>();
  const known = new Map(nodes.map((node) => [node.id, node]));
  for (const [name, id] of Object.entries(graph.outputs)) {
    const node = known.get(id)!;
    const own = !taken.has(id) && node.op.kind !== "input";
    outputs[name] = own ? id : add(id, { kind: "reshape" }, [id], node.type);
    taken.add(id);
  }
  return { nodes, outputs, parts };
}

type Add = (of: NodeId, op: ArrayOp, inputs: readonly NodeId[], type: ArrayType) => NodeId;

function splitReduce(node: ArrayNode, graph: ArrayGraph, add: Add, keep: (node: ArrayNode) => void): void {
  const { op, inputs, type } = node;
  const from = graph.nodes.find(({ id }) => id === inputs[0])!.type;
  const axes = op.kind === "reduce" ? op.axes.filter((axis) => from.shape[axis]! > 1) : [];
  const count = axes.reduce((n, axis) => n * from.shape[axis]!, 1);
  // Sums along rows run in 32 parts, and rows are work items.
  const behind = sizeOf(from.shape.slice(from.shape.length - axes.length));
  const rows = sizeOf(from.shape) / Math.max(1, count);
  const alongRows = behind === count && rows >= 16 && count <= 16 * chainMax;
  if (op.kind !== "reduce" || count <= chainMax || alongRows) return keep(node);
  const rest = splitAxis(from.shape, axes);
  if (rest === undefined) return keep(node);
  // [..., d, ...] as [..., a, b, ...]: b is summed with the axes behind it, then a with those before it.
  const { axis, inner } = rest;
  const shape = from.shape.toSpliced(axis, 1, from.shape[axis]! / inner, inner);
  const wide = inner === from.shape[axis] ? inputs[0]! : add(node.id, { kind: "reshape" }, inputs, { ...from, shape });
  const whole = inner === from.shape[axis];
  const later = whole ? axes.filter((a) => a >= axis) : [axis + 1, ...axes.filter((a) => a > axis).map((a) => a + 1)];
  const base = whole ? from.shape : shape;
  const part: ArrayType = { dtype: "f32", shape: base.map((d, a) => (later.includes(a) ? 1 : d)) };
  const first = add(node.id, { ...op, axes: later }, [wide], part);
  const earlier = base.flatMap((d, a) => (d > 1 && part.shape[a] === d && isReduced(a, axes, axis, whole) ? [a] : []));
  if (whole) return keep({ ...node, op: { ...op, axes: earlier }, inputs: [first] });
  const last = { dtype: "f32" as const, shape: part.shape.map((d, a) => (earlier.includes(a) ? 1 : d)) };
  const sum = add(node.id, { ...op, axes: earlier }, [first], last);
  keep({ ...node, op: { kind: "reshape" }, inputs: [sum], type });
}

const isReduced = (a: number, axes: readonly number[], axis: number, whole: boolean): boolean =>
  whole ? axes.includes(a) : a === axis || (a < axis && axes.includes(a));

/** Where to cut the reduced axes so that what is behind the cut has about as many elements as what is before it. */
function splitAxis(
  shape: readonly number[],
  axes: readonly number[],
): { readonly axis: number; readonly inner: number } | undefined {
  const count = axes.reduce((n, axis) => n * shape[axis]!, 1);
  const goal = Math.min(chainMax, Math.max(64, Math.sqrt(count)));
  let behind = 1;
  for (const axis of axes.toReversed()) {
    const extent = shape[axis]!;
    if (behind * extent <= goal) {
      behind *= extent;
      if (behind * 2 > goal && axis !== axes[0]) return { axis, inner: extent };
      continue;
    }
    let best = 1;
    for (let inner = 2; inner < extent; inner++) {
      if (extent % inner !== 0) continue;
      if (Math.abs(Math.log((inner * behind) / goal)) < Math.abs(Math.log((best * behind) / goal))) best = inner;
    }
    if (best > 1) return { axis, inner: best };
    if (behind > 8) return { axis: axes[axes.indexOf(axis) + 1]!, inner: shape[axes[axes.indexOf(axis) + 1]!]! };
    return axis === axes[0] ? undefined : { axis, inner: extent };
  }
  return undefined;
}
