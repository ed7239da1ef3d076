/** A graph in the making: what a function does with tensors whose elements are not known yet. */
import type { ArrayGraph } from "../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import { ArrayMath } from "../graph/array-math.ts";
import type { Tensor } from "./tensor.ts";

export class Trace {
  readonly math = new ArrayMath(new ArrayBuilder());
  /** Tensors from outside that the function uses: inputs of the graph after its arguments. */
  readonly captured: Tensor[] = [];
  readonly #captures = new Map<Tensor, ArrayValue>();
  readonly #arguments: number;

  /** Of a function of so many arrays, which are the inputs `i0`, `i1`, … */
  constructor(argumentCount: number) {
    this.#arguments = argumentCount;
  }

  /** The value of a tensor within this graph. */
  valueOf(tensor: Tensor): ArrayValue {
    const own = tensor.valueIn(this);
    if (own !== undefined) return own;
    const known = this.#captures.get(tensor);
    if (known !== undefined) return known;
    const value = this.input(this.#arguments + this.captured.length, tensor);
    this.captured.push(tensor);
    this.#captures.set(tensor, value);
    return value;
  }

  input(index: number, { dtype, shape }: Pick<Tensor, "dtype" | "shape">): ArrayValue {
    return this.math.builder.add({ kind: "input", name: `i${index}` }, [], { dtype, shape });
  }

  finish(outputs: readonly Tensor[]): ArrayGraph {
    return this.math.builder.finish(Object.fromEntries(outputs.map((t, i) => [`o${i}`, this.valueOf(t)])));
  }
}

/** Adds `graph` to another with its inputs bound: its outputs there, in order. */
export function inline(m: ArrayMath, graph: ArrayGraph, inputs: readonly ArrayValue[]): readonly ArrayValue[] {
  const values = new Map<number, ArrayValue>();
  for (const { id, op, inputs: from, type } of graph.nodes) {
    const value =
      op.kind === "input"
        ? inputs[Number(op.name.slice(1))]!
        : m.builder.add(
            op,
            from.map((i) => values.get(i)!),
            type,
          );
    values.set(id, value);
  }
  return Object.values(graph.outputs).map((id) => values.get(id)!);
}
