/** Builds a graph, inferring and checking the type of each node as it is added. */
import { assert } from "../core/errors.ts";
import { infer } from "./infer.ts";
import type { Graph, Node, NodeId, Op, Rope, Shape, Type } from "./ir.ts";

/** A handle to a node while its graph is being built. */
export interface Value {
  readonly id: NodeId;
  readonly shape: Shape;
}

export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #weights = new Map<string, Value>();
  #adapters: Value | undefined;

  #node(op: Op, inputs: readonly Value[], declared?: Type): Value {
    const types = inputs.map(({ id }) => this.#nodes[id]!.type);
    const type = infer(op, types, declared);
    const id = this.#nodes.length;
    this.#nodes.push({ id, op, inputs: inputs.map((v) => v.id), type });
    return { id, shape: type.shape };
  }

  tokens = (): Value => this.#node({ kind: "input", name: "tokens" }, [], { dtype: "i32", shape: ["T"] });
  positions = (): Value => this.#node({ kind: "input", name: "positions" }, [], { dtype: "i32", shape: ["T"] });
  /** Built once: whoever asks again gets the same node. */
  adapters(rank: number): Value {
    this.#adapters ??= this.#node({ kind: "input", name: "adapters" }, [], { dtype: "f32", shape: ["T", rank] });
    return this.#adapters;
  }
  rows = (): Value => this.#node({ kind: "input", name: "rows" }, [], { dtype: "i32", shape: ["S"] });

  /** The same name gives the same node; its shape must then agree. */
  weight(name: string, shape: readonly number[]): Value {
    const known = this.#weights.get(name);
    if (known !== undefined) {
      assert(`${known.shape}` === `${shape}`, () => `weight ${name} is [${known.shape}] and [${shape}]`);
      return known;
    }
    const value = this.#node({ kind: "weight", name }, [], { dtype: "f32", shape });
    this.#weights.set(name, value);
    return value;
  }

  embed = (tokens: Value, table: Value, scale = 1): Value => this.#node({ kind: "embed", scale }, [tokens, table]);
  linear = (x: Value, w: Value, bias?: Value): Value =>
    this.#node({ kind: "linear" }, bias === undefined ? [x, w] : [x, w, bias]);
  rmsNorm = (x: Value, w: Value, epsilon: number): Value => this.#node({ kind: "rmsNorm", epsilon }, [x, w]);
  reshape = (x: Value, shape: Shape): Value => this.#node({ kind: "reshape" }, [x], { dtype: "f32", shape });
  rope = (x: Value, positions: Value, rope: Rope): Value => this.#node({ kind: "rope", rope }, [x, positions]);
  attention(
    q: Value,
    k: Value,
    v: Value,
    positions: Value,
    how: { readonly layer: number; readonly scale: number; readonly window?: number },
  ): Value {
    return this.#node({ kind: "attention", ...how }, [q, k, v, positions]);
  }
  add = (a: Value, b: Value): Value => this.#node({ kind: "add" }, [a, b]);
  mul = (a: Value, b: Value): Value => this.#node({ kind: "mul" }, [a, b]);
  gelu = (x: Value): Value => this.#node({ kind: "gelu" }, [x]);
  silu = (x: Value): Value => this.#node({ kind: "silu" }, [x]);
  relu = (x: Value): Value => this.#node({ kind: "relu" }, [x]);
  concat = (...parts: readonly Value[]): Value => this.#node({ kind: "concat" }, parts);
  slice = (x: Value, from: number, to: number): Value => this.#node({ kind: "slice", from, to }, [x]);
  gather = (x: Value, rows: Value): Value => this.#node({ kind: "gather" }, [x, rows]);

  finish(outputs: Readonly<Record<string, Value>>): Graph {
    return {
      nodes: this.#nodes,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, v.id])),
    };
  }
}
