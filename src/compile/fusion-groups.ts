/** Between a graph and a policy of fusion: what the policy sees of the graph, and its answer checked and put in order. */
import { assert } from "../core/errors.ts";
import type { Graph, Node, NodeId, OpKind } from "../graph/ir.ts";
import {
  chainOf,
  type Form,
  type Fusion,
  type FusionNode,
  type FusionView,
  type Group,
  type OpClass,
  type ProductShape,
  whyNoKernel,
} from "./fusion.ts";
import { type WeightFormat, weightLayout } from "./layout.ts";
import { rowBytesOf } from "./lower/rows.ts";
import { type FusedGroup, isComputed } from "./lower.ts";
import { isLocalOp, isRowOp, widthOf } from "./lower-rows.ts";

/** Caches of the smallest machine that counts: a group that fits here fits everywhere. */
const caches = { l1Bytes: 32 * 1024, l2Bytes: 512 * 1024 };

const classes: { readonly [K in OpKind]: OpClass } = {
  input: "opaque",
  weight: "opaque",
  embed: "injective",
  linear: "complex",
  rmsNorm: "reduction",
  reshape: "injective",
  rope: "injective",
  attention: "opaque",
  cacheStore: "opaque",
  add: "injective",
  mul: "injective",
  gelu: "injective",
  silu: "injective",
  relu: "injective",
  concat: "injective",
  slice: "injective",
  gather: "injective",
  gate: "injective",
  quantize: "reduction",
  narrow: "injective",
  rowMaxima: "reduction",
  rowSums: "reduction",
};

const rowBytes: Partial<{ readonly [K in OpKind]: (width: number) => number }> = {
  cacheStore: () => 0,
  quantize: (width) => width + width / 2,
  narrow: (width) => width * 2,
};

function productOf({ op, type }: Node, formats: ReadonlyMap<string, WeightFormat>): ProductShape {
  const [n, k] = type.shape.map(Number) as [number, number];
  const format = op.kind === "weight" ? formats.get(op.name) : undefined;
  assert(format !== undefined, () => "a product without a format of its weights");
  return { n, k, weightBytes: weightLayout(format, n, k).bytes };
}

function formOf({ op, inputs, type }: Node, byId: ReadonlyMap<NodeId, Node>): Form {
  if (isRowOp(op)) return "rows";
  if (op.kind === "linear") return "panel";
  if (op.kind !== "attention") return "alone";
  // The heads that share keys are an item: only whole blocks of columns can be done to them.
  const [, heads, width] = type.shape.map(Number);
  const kvHeads = Number(byId.get(inputs[1]!)!.type.shape[1]);
  return ((heads! / kvHeads) * width!) % 32 === 0 ? "heads" : "alone";
}

/** What the compiler knows beside the graph. */
export interface FusionFacts {
  readonly formats: ReadonlyMap<string, WeightFormat>;
  readonly tokensMax: number;
}

export function fusionView(graph: Graph, { formats, tokensMax }: FusionFacts): FusionView {
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const outputs = new Set(Object.values(graph.outputs).map((id) => source(byId, id).node));
  const computed = graph.nodes.filter(isComputed);
  const readers = new Map<NodeId, NodeId[]>(computed.map(({ id }) => [id, []]));
  const nodes = computed.map((node): FusionNode => {
    const { id, op, inputs, type } = node;
    const read = inputs
      .map((input, i) => ({ ...source(byId, input), picked: op.kind === "gather" && i === 0 }))
      .filter((input) => readers.has(input.node));
    for (const input of read) readers.get(input.node)!.push(id);
    return {
      id,
      kind: op.kind,
      class: classes[op.kind],
      form: formOf(node, byId),
      local: isLocalOp(op),
      ...(op.kind === "linear" && { product: productOf(byId.get(inputs[1]!)!, formats) }),
      rows: type.shape[0]!,
      rowBytes: rowBytes[op.kind]?.(widthOf(node)) ?? rowBytesOf(widthOf(node)),
      inputs: read.map((input) => ({ node: input.node, rowwise: !input.sliced && !input.picked })),
      readers: readers.get(id)!,
      passes: op.kind === "rmsNorm" || op.kind === "rope" || op.kind === "cacheStore" ? 2 : 1,
      output: outputs.has(id),
    };
  });
  return { nodes, ...caches, tokens: tokensMax };
}

/** Where a value is computed, through reshapes and slices. */
function source(byId: ReadonlyMap<NodeId, Node>, id: NodeId): { readonly node: NodeId; readonly sliced: boolean } {
  const { op, inputs } = byId.get(id)!;
  if (op.kind !== "reshape" && op.kind !== "slice") return { node: id, sliced: false };
  const inner = source(byId, inputs[0]!);
  return { node: inner.node, sliced: inner.sliced || op.kind === "slice" };
}

/** The policy's groups in an order in which each follows those that it reads; nodes in the graph's. */
export function fuse(graph: Graph, policy: Fusion, name: string, facts: FusionFacts): readonly FusedGroup[] {
  const view = fusionView(graph, facts);
  const groups = policy.partition(view);
  const groupOf = new Map(groups.flatMap((group) => group.map((id) => [id, group] as const)));
  const count = groups.reduce((n, group) => n + group.length, 0);
  assert(count === view.nodes.length && groupOf.size === count, () => `${name}: each node belongs to one group`);
  const byId = new Map(view.nodes.map((node) => [node.id, node]));
  for (const group of groups) {
    const why = whyNoKernel(new Set(group.map((id) => byId.get(id)!)));
    assert(why === undefined, () => `${name}: ${why}`);
  }
  return inOrder(view, groups, groupOf, name).map((nodes) => {
    if (chainOf(new Set(nodes.map((id) => byId.get(id)!))) === undefined) return { nodes };
    const block = policy.block?.(nodes, view) ?? 0;
    assert(Number.isInteger(block) && block >= 1, () => `${name}: a chain with blocks of ${block} tokens`);
    return { nodes, block };
  });
}

function inOrder(
  { nodes }: FusionView,
  groups: readonly Group[],
  groupOf: ReadonlyMap<NodeId, Group>,
  name: string,
): readonly Group[] {
  const place = new Map(nodes.map(({ id }, i) => [id, i]));
  const done = new Set<Group>();
  const open = new Set<Group>();
  const ordered: Group[] = [];
  const visit = (group: Group): void => {
    if (done.has(group)) return;
    assert(!open.has(group), () => `${name}: the group of %${group[0]} waits for itself`);
    open.add(group);
    for (const id of group) {
      for (const input of nodes[place.get(id)!]!.inputs) {
        const needed = groupOf.get(input.node)!;
        if (needed !== group) visit(needed);
      }
    }
    done.add(group);
    ordered.push(group.toSorted((a, b) => place.get(a)! - place.get(b)!));
  };
  // A group comes when its last node does: what it could overtake may be needed by others.
  const lastOf = (group: Group): number => Math.max(...group.map((id) => place.get(id)!));
  for (const group of groups.toSorted((a, b) => lastOf(a) - lastOf(b))) visit(group);
  return ordered;
}
