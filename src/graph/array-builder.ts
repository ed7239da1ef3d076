/** Builds a graph of arrays, inferring and checking each node's type. Equal operations on equal inputs are one node. */
import type { ArrayGraph, ArrayNode, ArrayOp, ArrayType } from "./array.ts";
import { inferArray } from "./array-infer.ts";
import type { NodeId } from "./ir.ts";

/** A handle to a node while its graph is being built. */
export interface ArrayValue {
  readonly id: NodeId;
  readonly type: ArrayType;
}

export class ArrayBuilder {
  readonly #nodes: ArrayNode[] = [];
  readonly #known = new Map<string, ArrayValue>();

  get nodes(): readonly ArrayNode[] {
    return this.#nodes;
  }

  /** `declared` is the type of operations whose inputs do not tell it. Throws a `UserError` where shapes or types do not fit. */
  add(op: ArrayOp, inputs: readonly ArrayValue[] = [], declared?: ArrayType): ArrayValue {
    const type = inferArray(
      op,
      inputs.map((v) => v.type),
      declared,
    );
    // JSON has neither infinities nor the sign of 0.
    const exact = "value" in op ? (Object.is(op.value, -0) ? "-0" : `${op.value}`) : "";
    const key = `${exact}${JSON.stringify([op, inputs.map((v) => v.id), type.dtype, type.shape])}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.#nodes.length;
    this.#nodes.push({ id, op, inputs: inputs.map((v) => v.id), type });
    const value = { id, type };
    this.#known.set(key, value);
    return value;
  }

  finish(outputs: Readonly<Record<string, ArrayValue>>): ArrayGraph {
    return {
      nodes: [...this.#nodes],
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, v.id])),
    };
  }
}
