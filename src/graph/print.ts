/** A graph as text, one node a line: `%4: f32[T,640] = rmsNorm(%3, %2) epsilon=0.000001`. */
import type { Graph, Node } from "./ir.ts";

interface Printed {
  readonly dtype: string;
  readonly shape: readonly unknown[];
}

export function printNode<O extends { readonly kind: string }, T extends Printed>({
  id,
  op,
  inputs,
  type,
}: Node<O, T>): string {
  const { kind, ...attributes } = op;
  const shown = Object.entries(attributes).map(([name, value]) => ` ${name}=${show(value)}`);
  return `%${id}: ${type.dtype}[${type.shape}] = ${kind}(${inputs.map((i) => `%${i}`).join(", ")})${shown.join("")}`;
}

export function print<O extends { readonly kind: string }, T extends Printed>(graph: Graph<O, T>): string {
  const outputs = Object.entries(graph.outputs).map(([name, id]) => `return ${name} = %${id}`);
  return [...graph.nodes.map((node) => printNode(node)), ...outputs].join("\n");
}

function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([name, v]) => `${name}: ${Array.isArray(v) ? `[${v.length}]` : String(v)}`)
    .join(", ")}}`;
}
