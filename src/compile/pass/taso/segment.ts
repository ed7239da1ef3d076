/**
 * A graph in parts that are searched one by one: it is cut where a single value is alive, as between the blocks of a model.
 * Parts of the same form are searched once.
 */
import type { Graph, Node, NodeId, Type } from "../../../graph/ir.ts";
import { type WeightFormat, weightLayout } from "../../layout.ts";
import { known, type TermId, type TermOp, Terms } from "./term.ts";

/** Nodes in order; what they read from before is not among them. */
export function segments(graph: Graph): (readonly Node[])[] {
  const computed = graph.nodes.filter((n) => !isSource(n));
  const last = new Map<NodeId, number>();
  for (const [i, { inputs }] of computed.entries()) for (const id of inputs) last.set(id, i);
  const parts: Node[][] = [];
  let part: Node[] = [];
  let alive: NodeId[] = [];
  for (const [i, node] of computed.entries()) {
    part.push(node);
    alive = [...alive, node.id].filter((id) => (last.get(id) ?? -1) > i);
    if (alive.length > 1) continue;
    parts.push(part);
    part = [];
  }
  return part.length === 0 ? parts : [...parts, part];
}

const isSource = ({ op }: Node): boolean => op.kind === "weight" || op.kind === "input";

export interface Segment {
  /** Equal for segments that are searched alike. */
  readonly form: string;
  readonly terms: Terms;
  readonly outputs: readonly TermId[];
  /** The nodes of the outputs. */
  readonly outputNodes: readonly NodeId[];
  /** What leaves, parameters and opaque terms stand for, by their index. */
  readonly nodes: readonly Node[];
}

/** Per parameter, as packed. */
function bitsOf(format: WeightFormat, [n, k]: readonly number[]): number {
  return (8 * weightLayout(format, n!, k!).bytes) / (n! * k!);
}

/** A part as terms. Its outputs are what others read, what the graph returns, and what writes the cache. */
export function segmentOf(graph: Graph, part: readonly Node[], formats: ReadonlyMap<string, WeightFormat>): Segment {
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const inside = new Set(part.map((n) => n.id));
  const terms = new Terms();
  const nodes: Node[] = [];
  const form: string[] = [];
  const termOf = new Map<NodeId, TermId>();
  const add = (node: Node, op: TermOp, inputs: readonly TermId[], type: Type): TermId => {
    const id = terms.add(op, inputs, type);
    form.push(`${JSON.stringify(op)} ${inputs} ${type.dtype} ${type.shape}`);
    termOf.set(node.id, id);
    return id;
  };
  const value = (id: NodeId): TermId => {
    const done = termOf.get(id);
    if (done !== undefined) return done;
    const node = byId.get(id)!;
    const index = nodes.push(node) - 1;
    const format = node.op.kind === "weight" && node.type.shape.length === 2 ? formats.get(node.op.name) : undefined;
    if (format === undefined) return add(node, { kind: "leaf", index }, [], node.type);
    const op = {
      kind: "matrix",
      parts: [index],
      format: JSON.stringify(format),
      bits: bitsOf(format, node.type.shape.map(Number)),
    } as const;
    return add(node, op, [], node.type);
  };
  for (const node of part) {
    const inputs = node.inputs.map(value);
    const { op, type } = node;
    if (known.has(op.kind) && type.shape.length === 2) add(node, op as TermOp, inputs, type);
    else add(node, { kind: "opaque", index: nodes.push(node) - 1, of: op.kind }, inputs, type);
  }
  const readOutside = new Set(graph.nodes.filter((n) => !inside.has(n.id)).flatMap((n) => n.inputs));
  const returned = new Set(Object.values(graph.outputs));
  const outputNodes = part.filter((n) => readOutside.has(n.id) || returned.has(n.id) || n.op.kind === "attention");
  const outputs = outputNodes.map((n) => termOf.get(n.id)!);
  form.push(`${outputs}`);
  return { form: form.join("\n"), terms, outputs, outputNodes: outputNodes.map((n) => n.id), nodes };
}

/** The segment as nodes again, with `outputs` in the place of its own; `found` may come from another of its form. */
export function emit(
  segment: Segment,
  found: { readonly terms: Terms; readonly outputs: readonly TermId[] },
  write: { renamed(id: NodeId): NodeId; add(op: Node["op"], inputs: readonly NodeId[], type: Type): NodeId },
): Map<NodeId, NodeId> {
  const made = new Map<TermId, NodeId>();
  for (const { id, op, inputs, type } of found.terms.reachable(found.outputs)) {
    const args = inputs.map((i) => made.get(i)!);
    if (op.kind === "leaf") made.set(id, write.renamed(segment.nodes[op.index]!.id));
    else if (op.kind === "matrix") {
      const parts = op.parts.map((i) => segment.nodes[i]!);
      if (parts.length === 1) made.set(id, write.renamed(parts[0]!.id));
      else made.set(id, write.add(stacked(parts), [], type));
    } else if (op.kind === "opaque") made.set(id, write.add(segment.nodes[op.index]!.op, args, type));
    else made.set(id, write.add(op, args, type));
  }
  return new Map(segment.outputNodes.map((node, i) => [node, made.get(found.outputs[i]!)!]));
}

function stacked(parts: readonly Node[]): Node["op"] {
  const names = parts.flatMap(({ op }) => (op.kind === "weight" ? (op.parts ?? [op.name]) : []));
  return { kind: "weight", name: names.join("+"), parts: names };
}
