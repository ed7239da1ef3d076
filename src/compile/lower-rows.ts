/** Operations on rows to what one kernel does: which operand is an earlier step's, which lies in memory. */
import { assert } from "../core/errors.ts";
import type { Node, NodeId, Op } from "../graph/ir.ts";
import type { WeightFormat } from "./layout.ts";
import type { CacheType } from "./lower/cache-store.ts";
import type { Operand, RowProgram, RowStep, RowWork } from "./lower/row-work.ts";
import type { Argument } from "./lower.ts";

/** What the graph around a group says. */
export interface RowContext {
  node(id: NodeId): Node;
  /** The node whose rows a value lies in. */
  source(id: NodeId): { readonly of: NodeId; readonly sliced: boolean };
  rows(id: NodeId): { readonly arg: Argument; readonly stride: number };
  read(id: NodeId): Argument;
  format(weight: string): WeightFormat;
  cache(): CacheType;
}

export interface RowGroup {
  readonly program: RowProgram;
  /** Its operands in memory; results follow. */
  readonly args: readonly Argument[];
  readonly results: readonly { readonly node: Node; readonly work: RowWork }[];
}

/** Row i of the result needs row i of the operands, and nothing else that a step computes except what a gather picks. */
export const isRowOp = ({ kind }: Op): boolean =>
  kind !== "linear" && kind !== "attention" && kind !== "rowMaxima" && kind !== "rowSums";

/** Each 32 columns of the result need the same 32 of the operands. */
export const isLocalOp = (op: Op): boolean =>
  isRowOp(op) && !["embed", "gather", "rmsNorm", "rope", "concat", "cacheStore"].includes(op.kind);

export const widthOf = ({ type }: Node): number => type.shape.slice(1).reduce<number>((n, d) => n * Number(d), 1);

/** [T, H, C] is H heads of C; [T, D] one of D. */
function headsOf({ type }: Node): { readonly heads: number; readonly width: number } {
  const [, heads, width] = type.shape.map(Number);
  return width === undefined ? { heads: 1, width: heads! } : { heads: heads!, width };
}

/** `wanted` tells what someone outside the group reads; `products` are made before the first step, in the same kernel. */
export function rowGroup(
  nodes: readonly Node[],
  wanted: (id: NodeId) => boolean,
  context: RowContext,
  products: readonly NodeId[] = [],
): RowGroup {
  const stepOf = new Map(nodes.map(({ id }, i) => [id, i]));
  const args: Argument[] = [];
  const param = (arg: Argument): number => {
    const text = JSON.stringify(arg);
    const known = args.findIndex((a) => JSON.stringify(a) === text);
    return known >= 0 ? known : args.push(arg) - 1;
  };
  const whole = (arg: Argument): Operand => ({ from: "whole", param: param(arg) });
  const row = (id: NodeId): Operand => {
    const { of, sliced } = context.source(id);
    const step = sliced ? undefined : stepOf.get(of);
    if (step !== undefined) return { from: "step", step };
    if (products.includes(of)) return { from: "product", product: products.indexOf(of) };
    const { arg, stride } = context.rows(id);
    return { from: "rows", param: param(arg), stride };
  };
  const steps = nodes.map((node): RowStep => {
    const step = stepFor(node, context, row, whole);
    return { ...step, written: wanted(node.id) && node.op.kind !== "cacheStore" };
  });
  const results = steps.flatMap(({ work, written }, i) => (written ? [{ node: nodes[i]!, work }] : []));
  return { program: { params: args.length, steps }, args, results };
}

function stepFor(
  node: Node,
  context: RowContext,
  row: (id: NodeId) => Operand,
  whole: (arg: Argument) => Operand,
): Omit<RowStep, "written"> {
  const { op, inputs } = node;
  const read = (i: number): Operand => whole(context.read(inputs[i]!));
  const width = widthOf(node);
  switch (op.kind) {
    case "add":
    case "mul":
    case "gelu":
    case "silu":
    case "relu":
      return { work: { kind: "map", op: op.kind, width }, inputs: inputs.map(row) };
    case "gate":
      return { work: { kind: "map", op: `${op.activation}Mul`, width }, inputs: inputs.map(row) };
    case "rmsNorm": {
      const work = { kind: "rmsNorm", ...headsOf(node), epsilon: op.epsilon } as const;
      return { work, inputs: [row(inputs[0]!), read(1)] };
    }
    case "rope": {
      const heads = headsOf(node);
      const table = whole({ kind: "rope", rope: op.rope, width: heads.width });
      return { work: { kind: "rope", ...heads }, inputs: [row(inputs[0]!), read(1), table] };
    }
    case "concat":
      return {
        work: { kind: "concat", widths: inputs.map((id) => widthOf(context.node(id))) },
        inputs: inputs.map(row),
      };
    case "gather": {
      const { arg, stride } = context.rows(inputs[0]!);
      return { work: { kind: "gather", width, stride }, inputs: [whole(arg), read(1)] };
    }
    case "embed": {
      const table = context.node(inputs[1]!);
      assert(table.op.kind === "weight", () => `%${table.id} should be a weight`);
      const [n, k] = table.type.shape.map(Number) as [number, number];
      const format = context.format(table.op.name);
      return { work: { kind: "embed", format, n, k, scale: op.scale }, inputs: [read(0), read(1)] };
    }
    case "quantize":
    case "narrow":
      return { work: { kind: op.kind, k: width }, inputs: [row(inputs[0]!)] };
    case "cacheStore": {
      const memory = (part: "keys" | "values"): Operand => whole({ kind: "cache", layer: op.layer, part });
      const { heads: kvHeads, width: headWidth } = headsOf(node);
      const operands = [row(inputs[0]!), row(inputs[1]!), whole({ kind: "slots" }), memory("keys"), memory("values")];
      return { work: { kind: "cacheStore", kvHeads, width: headWidth, cache: context.cache() }, inputs: operands };
    }
    default:
      assert(false, () => `${op.kind} is not done row by row`);
  }
}
