/** A training step's graph as memory policies see it. */
import { UserError } from "../../core/errors.ts";
import { type ArrayGraph, type ArrayNode, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import type { Seconds } from "../../time/clock.ts";
import type { CopyRate, MemoryView, Need, TensorId, TensorView, UnitView } from "../memory.ts";
import { bytesOfNode, type Part, partition } from "./partition.ts";

export interface TrainingGraph {
  readonly graph: ArrayGraph;
  /** The output that the backward part begins from. */
  readonly loss: string;
  /** Outputs that are written over an input: `{ "w'": "w" }`. */
  readonly donate: Readonly<Record<string, string>>;
}

export interface MemoryLimits {
  readonly capacity: number;
  readonly copy: CopyRate;
  readonly codecSecondsPerByte: number;
}

export interface StepView {
  readonly view: MemoryView;
  /** By unit. */
  readonly parts: readonly Part[];
  /** By tensor: its node. */
  readonly nodes: readonly NodeId[];
}

/** `secondsOf` prices a part; once it was run, what was measured stands in its place. */
export function stepView(
  { graph, loss, donate }: TrainingGraph,
  limits: MemoryLimits,
  secondsOf: (part: Part) => Seconds,
): StepView {
  const parts = partition(graph);
  const inputs = graph.nodes.filter((n) => n.op.kind === "input").map((n) => n.id);
  const nodes = [...inputs, ...parts.map((p) => p.result)];
  const tensorOf = new Map(nodes.map((node, id) => [node, id]));
  const results = new Set(Object.values(graph.outputs));
  const lossNode = graph.outputs[loss];
  const turn = 1 + parts.findIndex((p) => p.result === lossNode);
  if (turn === 0) throw new UserError(`The step has no output "${loss}".`, `It has ${Object.keys(graph.outputs)}.`);
  const uses = nodes.map((): number[] => []);
  for (const [unit, { reads }] of parts.entries()) for (const node of reads) uses[tensorOf.get(node)!]!.push(unit);
  const replaced = replacements({ graph, loss, donate }, tensorOf);
  const producerOf = (id: TensorId): number | undefined => (id < inputs.length ? undefined : id - inputs.length);
  const tensors = nodes.map((node, id): TensorView => {
    const replaces = replaced.get(id);
    return {
      name: nameOf(graph, node),
      bytes: bytesOfNode(graph.nodes[node]!),
      producer: producerOf(id),
      uses: uses[id]!,
      needs: uses[id]!.filter((u) => u >= turn).map((u) => needOf(graph, parts[u]!, node)),
      output: results.has(node),
      ...(replaces !== undefined && { replaces }),
      ...(isRelu(graph, node) && { zeros: 0.5 }),
    };
  });
  const units = parts.map((part, unit): UnitView => {
    const reads = part.reads.map((node) => tensorOf.get(node)!);
    const writes = [inputs.length + unit];
    const name = `${unit} ${nameOf(graph, part.result)}`;
    return { name, reads, writes, seconds: secondsOf(part), kind: kindOf(graph, part), workspaceBytes: 0 };
  });
  return { view: { units, tensors, turn, ...limits }, parts, nodes };
}

function replacements(
  { graph, donate }: TrainingGraph,
  tensorOf: ReadonlyMap<NodeId, TensorId>,
): ReadonlyMap<TensorId, TensorId> {
  const inputs = new Map(graph.nodes.flatMap((n) => (n.op.kind === "input" ? [[n.op.name, n.id] as const] : [])));
  return new Map(
    Object.entries(donate).map(([output, input]) => {
      const [to, from] = [graph.outputs[output], inputs.get(input)];
      if (to !== undefined && from !== undefined) return [tensorOf.get(to)!, tensorOf.get(from)!];
      throw new UserError(`Output ${output} cannot replace input ${input}: the step has no such pair.`);
    }),
  );
}

const nameOf = ({ nodes }: ArrayGraph, id: NodeId): string => {
  const { op, type } = nodes[id]!;
  return op.kind === "input" ? op.name : `${op.kind}${"fn" in op ? ` ${op.fn}` : ""} [${type.shape}]`;
};

function kindOf({ nodes }: ArrayGraph, { nodes: ids }: Part): UnitView["kind"] {
  const kinds = ids.map((id) => nodes[id]!.op.kind);
  if (kinds.some((k) => k.startsWith("conv2d"))) return "convolution";
  if (kinds.some((k) => k === "matmul" || k.startsWith("attention"))) return "product";
  return kinds.some((k) => k.startsWith("pool2d")) ? "pool" : "other";
}

/** Whether an array is what a ReLU made, or a maximum of that. */
function isRelu({ nodes }: ArrayGraph, id: NodeId): boolean {
  const { op, inputs } = nodes[id]!;
  if (op.kind === "reshape") return isRelu({ nodes, outputs: {} }, inputs[0]!);
  return op.kind === "unary" && op.fn === "relu";
}

/** What a part takes from a tensor: its values, unless every operation that reads them looks at less. */
function needOf({ nodes }: ArrayGraph, part: Part, tensor: NodeId): Need {
  const needs = new Set<Need>();
  const taken = new Set(part.views.filter((v) => v.source === tensor).map((v) => v.node));
  for (const id of part.nodes) {
    const node = nodes[id]!;
    for (const [place, input] of node.inputs.entries()) {
      if (taken.has(input)) needs.add(needAt(nodes, node, place));
    }
  }
  return needs.has("value") ? "value" : needs.has("greatest") ? "greatest" : "sign";
}

function needAt(nodes: readonly ArrayNode[], { op, inputs }: ArrayNode, place: number): Need {
  const other = nodes[inputs[1 - place] ?? -1]?.op;
  if (op.kind === "binary" && op.fn === "lt" && place === 1 && other?.kind === "constant" && other.value === 0) {
    return "sign";
  }
  if (op.kind !== "pool2dInput" || op.fn !== "max" || place !== 0) return "value";
  // Windows that share no element each have their own greatest.
  return op.size.every((size, axis) => size <= op.strides[axis]!) ? "greatest" : "value";
}

/** What a part computes: multiply-adds count two. */
export function operationsOf({ nodes }: ArrayGraph, part: Part): number {
  const each = part.nodes.map((id): number => {
    const { op, inputs, type } = nodes[id]!;
    const [a, b] = inputs.map((i) => nodes[i]!.type.shape);
    const size = sizeOf(type.shape);
    switch (op.kind) {
      case "matmul":
        return 2 * size * a!.at(op.transposeA ? -2 : -1)!;
      case "conv2d":
        return 2 * size * sizeOf(b!.slice(0, 3));
      case "conv2dInput":
        return 2 * sizeOf(a!) * sizeOf(b!.slice(0, 3));
      case "conv2dWeight":
        return 2 * sizeOf(b!) * sizeOf(type.shape.slice(0, 3));
      case "attention":
      case "attentionInput":
        return 2 * (op.kind === "attention" ? 2 : 5) * sizeOf(a!) * a!.at(-2)!;
      case "pool2d":
      case "pool2dInput":
        return size * op.size[0] * op.size[1];
      case "reduce":
        return sizeOf(a!);
      case "constant":
      case "iota":
      case "reshape":
        return 0;
      default:
        return size;
    }
  });
  return each.reduce((sum, n) => sum + n, 0);
}
