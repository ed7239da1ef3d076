/** A graph as text, one node a line: `%4: f32[T,640] = rmsNorm(%3, %2) epsilon=0.000001`. */
import type { Graph, Node } from "./ir.ts";

export function printNode({ id, op, inputs, type }: Node): string {
  const { kind, ...attributes } = op;
  const shown = Object.entries(attributes).map(([name, value]) => ` ${name}=${show(value)}`);
  return `%${id}: ${type.dtype}[${type.shape}] = ${kind}(${inputs.map((i) => `%${i}`).join(", ")})${shown.join("")}`;
}

export function print(graph: Graph): string {
  const outputs = Object.entries(graph.outputs).map(([name, id]) => `return ${name} = %${id}`);
  return [...graph.nodes.map(printNode), ...outputs].join("\n");
}

function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([name, v]) => `${name}: ${Array.isArray(v) ? `[${v.length}]` : String(v)}`)
    .join(", ")}}`;
}
