/**
 * Arithmetic on the values of a graph that is being built, for gradients, batching and the tensor library. What is known to
 * change nothing (times 1, plus 0, moving a constant) adds no node.
 */
import { type ArrayDType, type Binary, sizeOf, type Unary } from "./array.ts";
import type { ArrayBuilder, ArrayValue } from "./array-builder.ts";

export class ArrayMath {
  readonly builder: ArrayBuilder;

  constructor(builder: ArrayBuilder) {
    this.builder = builder;
  }

  constant(value: number, shape: readonly number[], dtype: ArrayDType = "f32"): ArrayValue {
    return this.builder.add({ kind: "constant", value }, [], { dtype, shape });
  }

  /** An array of the type of `x` whose elements all are `value`. */
  fill(x: ArrayValue, value: number): ArrayValue {
    return this.constant(value, x.type.shape, x.type.dtype);
  }

  iota(shape: readonly number[], axis: number, dtype: "f32" | "i32" = "f32"): ArrayValue {
    return this.builder.add({ kind: "iota", axis }, [], { dtype, shape });
  }

  unary(fn: Unary, x: ArrayValue): ArrayValue {
    return this.builder.add({ kind: "unary", fn }, [x]);
  }

  /** Of two arrays of one type, or of an array and a number. */
  binary(fn: Binary, x: ArrayValue, y: ArrayValue | number): ArrayValue {
    const other = typeof y === "number" ? this.fill(x, y) : y;
    const [left, right] = [this.#valueOf(x), this.#valueOf(other)];
    if ((fn === "mul" || fn === "div") && right === 1) return x;
    if (fn === "mul" && left === 1) return other;
    if ((fn === "add" || fn === "sub") && right === 0) return x;
    if (fn === "add" && left === 0) return other;
    return this.builder.add({ kind: "binary", fn }, [x, other]);
  }

  add(x: ArrayValue, y: ArrayValue | number): ArrayValue {
    return this.binary("add", x, y);
  }

  sub(x: ArrayValue, y: ArrayValue | number): ArrayValue {
    return this.binary("sub", x, y);
  }

  mul(x: ArrayValue, y: ArrayValue | number): ArrayValue {
    return this.binary("mul", x, y);
  }

  div(x: ArrayValue, y: ArrayValue | number): ArrayValue {
    return this.binary("div", x, y);
  }

  where(condition: ArrayValue, x: ArrayValue, y: ArrayValue): ArrayValue {
    return this.builder.add({ kind: "where" }, [condition, x, y]);
  }

  cast(x: ArrayValue, dtype: ArrayDType): ArrayValue {
    if (x.type.dtype === dtype) return x;
    const value = this.#valueOf(x);
    if (value !== undefined && dtype === "f32") return this.constant(value, x.type.shape);
    return this.builder.add({ kind: "cast" }, [x], { dtype, shape: x.type.shape });
  }

  reshape(x: ArrayValue, shape: readonly number[]): ArrayValue {
    if (`${shape}` === `${x.type.shape}`) return x;
    const value = this.#valueOf(x);
    if (value !== undefined) return this.constant(value, shape, x.type.dtype);
    return this.builder.add({ kind: "reshape" }, [x], { dtype: x.type.dtype, shape });
  }

  transpose(x: ArrayValue, order: readonly number[]): ArrayValue {
    if (order.every((axis, i) => axis === i)) return x;
    return this.builder.add({ kind: "transpose", order }, [x]);
  }

  /** Repeats axes whose extent is 1; the rank stays. */
  expand(x: ArrayValue, shape: readonly number[]): ArrayValue {
    if (`${shape}` === `${x.type.shape}`) return x;
    const value = this.#valueOf(x);
    if (value !== undefined) return this.constant(value, shape, x.type.dtype);
    return this.builder.add({ kind: "expand" }, [x], { dtype: x.type.dtype, shape });
  }

  /** As NumPy broadcasts: axes are aligned at the end, those of extent 1 or absent repeat. */
  broadcast(x: ArrayValue, shape: readonly number[]): ArrayValue {
    const missing = shape.length - x.type.shape.length;
    return this.expand(this.reshape(x, [...Array<number>(missing).fill(1), ...x.type.shape]), shape);
  }

  slice(
    x: ArrayValue,
    starts: readonly number[],
    shape: readonly number[],
    steps: readonly number[] = starts.map(() => 1),
  ): ArrayValue {
    if (`${shape}` === `${x.type.shape}` && starts.every((s) => s === 0)) return x;
    const value = this.#valueOf(x);
    if (value !== undefined) return this.constant(value, shape, x.type.dtype);
    return this.builder.add({ kind: "slice", starts, steps }, [x], { dtype: x.type.dtype, shape });
  }

  pad(
    x: ArrayValue,
    low: readonly number[],
    high: readonly number[],
    value = 0,
    interior: readonly number[] = low.map(() => 0),
  ): ArrayValue {
    if ([...low, ...high, ...interior].every((n) => n === 0)) return x;
    return this.builder.add({ kind: "pad", low, high, interior, value }, [x]);
  }

  flip(x: ArrayValue, axes: readonly number[]): ArrayValue {
    return axes.length === 0 ? x : this.builder.add({ kind: "flip", axes }, [x]);
  }

  concat(parts: readonly ArrayValue[], axis: number): ArrayValue {
    return parts.length === 1 ? parts[0]! : this.builder.add({ kind: "concat", axis }, parts);
  }

  /** The axes stay, with extent 1. */
  sum(x: ArrayValue, axes: readonly number[]): ArrayValue {
    const shape = x.type.shape.map((d, i) => (axes.includes(i) ? 1 : d));
    if (`${shape}` === `${x.type.shape}`) return x;
    const value = this.#valueOf(x);
    if (value !== undefined && x.type.dtype === "f32")
      return this.constant((value * sizeOf(x.type.shape)) / sizeOf(shape), shape);
    return this.builder.add({ kind: "reduce", fn: "sum", axes }, [x]);
  }

  max(x: ArrayValue, axes: readonly number[]): ArrayValue {
    return axes.length === 0 ? x : this.builder.add({ kind: "reduce", fn: "max", axes }, [x]);
  }

  matmul(a: ArrayValue, b: ArrayValue, transposeA = false, transposeB = false): ArrayValue {
    return this.builder.add({ kind: "matmul", transposeA, transposeB }, [a, b]);
  }

  take(table: ArrayValue, indices: ArrayValue): ArrayValue {
    return this.builder.add({ kind: "take" }, [table, indices]);
  }

  /** The value that every element has, where the node says so. */
  #valueOf(x: ArrayValue): number | undefined {
    const { op } = this.builder.nodes[x.id]!;
    return op.kind === "constant" ? op.value : undefined;
  }
}
