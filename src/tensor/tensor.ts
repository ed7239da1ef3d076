/**
 * Tensors. Operations are methods, as in PyTorch, each over a function of the same name; a number stands for a tensor of one
 * element. Axes count from the end where they are negative.
 */
import type { ArrayDType, ArrayType } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import { assign, backward } from "./backward.ts";
import type { Operand } from "./elements.ts";
import * as elements from "./elements.ts";
import { Handle } from "./handle.ts";
import * as products from "./products.ts";
import type { Axes, ReduceOptions, VarianceOptions } from "./reduce.ts";
import * as reduce from "./reduce.ts";
import type { Index } from "./shape.ts";
import * as shapes from "./shape.ts";
import type { Storage } from "./storage.ts";
import type { TapeNode } from "./tape.ts";
import type { Trace } from "./trace.ts";
import { refuse } from "./user-line.ts";

export class Tensor extends Handle {
  #requiresGrad = false;
  /** How it was computed, if gradients flow through it. */
  origin: { readonly node: TapeNode; readonly index: number } | undefined;
  /** The gradient that backward passes have added up; f32, of the same shape. */
  grad: Tensor | undefined;

  static stored(type: ArrayType, storage: Storage): Tensor {
    return new Tensor(type, { kind: "stored", storage });
  }

  static traced(trace: Trace, value: ArrayValue): Tensor {
    return new Tensor(value.type, { kind: "traced", trace, value });
  }

  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }

  get isLeaf(): boolean {
    return this.origin === undefined;
  }

  /** Gradients are wanted with respect to this tensor. */
  requireGrad(wanted = true): this {
    if (wanted && this.dtype === "i32")
      refuse(`requireGrad over ${this.signature}`, "whole numbers have no gradients.");
    this.#requiresGrad = wanted;
    return this;
  }

  comesFrom(node: TapeNode, index: number): void {
    this.origin = { node, index };
    this.#requiresGrad = true;
  }

  /** Another handle of the same elements, that no gradient flows through. */
  detach(): Tensor {
    return new Tensor(this, this.shared("detach"));
  }

  /**
   * Adds the gradients of this number, or of this tensor weighed by `seed`, to `.grad` of the leaves that need them. What was
   * saved for it is let go, unless `retainGraph`.
   */
  backward(seed?: Tensor, { retainGraph = false }: { readonly retainGraph?: boolean } = {}): void {
    backward(this, seed, retainGraph);
  }

  /** Writes other elements over its own; they repeat to its shape. No gradient flows through it. */
  assign(value: Operand): this {
    assign(this, value);
    return this;
  }

  // Element by element.
  to(dtype: ArrayDType): Tensor {
    return elements.cast(this, dtype);
  }
  clone(): Tensor {
    return elements.clone(this);
  }
  add(x: Operand): Tensor {
    return elements.binary("add", this, x);
  }
  sub(x: Operand): Tensor {
    return elements.binary("sub", this, x);
  }
  mul(x: Operand): Tensor {
    return elements.binary("mul", this, x);
  }
  div(x: Operand): Tensor {
    return elements.binary("div", this, x);
  }
  pow(x: Operand): Tensor {
    return elements.binary("pow", this, x);
  }
  maximum(x: Operand): Tensor {
    return elements.binary("max", this, x);
  }
  minimum(x: Operand): Tensor {
    return elements.binary("min", this, x);
  }
  /** Comparisons give f32 0 or 1. */
  eq(x: Operand): Tensor {
    return elements.binary("eq", this, x);
  }
  ne(x: Operand): Tensor {
    return elements.not(this.eq(x));
  }
  lt(x: Operand): Tensor {
    return elements.binary("lt", this, x);
  }
  le(x: Operand): Tensor {
    return elements.binary("le", this, x);
  }
  gt(x: Operand): Tensor {
    return elements.binary("lt", x, this);
  }
  ge(x: Operand): Tensor {
    return elements.binary("le", x, this);
  }
  neg(): Tensor {
    return elements.unary("neg", this);
  }
  abs(): Tensor {
    return elements.unary("abs", this);
  }
  sign(): Tensor {
    return elements.unary("sign", this);
  }
  exp(): Tensor {
    return elements.unary("exp", this);
  }
  log(): Tensor {
    return elements.unary("log", this);
  }
  sqrt(): Tensor {
    return elements.unary("sqrt", this);
  }
  rsqrt(): Tensor {
    return elements.unary("rsqrt", this);
  }
  reciprocal(): Tensor {
    return elements.unary("reciprocal", this);
  }
  square(): Tensor {
    return elements.unary("square", this);
  }
  sin(): Tensor {
    return elements.unary("sin", this);
  }
  cos(): Tensor {
    return elements.unary("cos", this);
  }
  tanh(): Tensor {
    return elements.unary("tanh", this);
  }
  sigmoid(): Tensor {
    return elements.unary("sigmoid", this);
  }
  erf(): Tensor {
    return elements.unary("erf", this);
  }
  floor(): Tensor {
    return elements.unary("floor", this);
  }
  relu(): Tensor {
    return elements.unary("relu", this);
  }
  /** `approximate: "tanh"` is faster; the exact one is by erf. */
  gelu({ approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {}): Tensor {
    return approximate === "tanh" ? elements.unary("gelu", this) : elements.geluExact(this);
  }
  silu(): Tensor {
    return elements.unary("silu", this);
  }
  softplus(): Tensor {
    return elements.softplus(this);
  }
  leakyRelu(slope?: number): Tensor {
    return elements.leakyRelu(this, slope);
  }
  elu(alpha?: number): Tensor {
    return elements.elu(this, alpha);
  }
  clamp(low?: number, high?: number): Tensor {
    return elements.clamp(this, low, high);
  }

  // Movement.
  reshape(...shape: readonly number[]): Tensor {
    return shapes.reshape(this, shape);
  }
  permute(...order: readonly number[]): Tensor {
    return shapes.permute(this, order);
  }
  /** Two axes change places, the last two by default. */
  transpose(a?: number, b?: number): Tensor {
    return shapes.transpose(this, a, b);
  }
  broadcastTo(...shape: readonly number[]): Tensor {
    return shapes.broadcastTo(this, shape);
  }
  unsqueeze(axis: number): Tensor {
    return shapes.unsqueeze(this, axis);
  }
  squeeze(axis?: number): Tensor {
    return shapes.squeeze(this, axis);
  }
  flatten(from?: number, to?: number): Tensor {
    return shapes.flatten(this, from, to);
  }
  slice(axis: number, start: number, end?: number, step?: number): Tensor {
    return shapes.slice(this, axis, start, end, step);
  }
  select(axis: number, i: number): Tensor {
    return shapes.select(this, axis, i);
  }
  /** `x[i, 2:4, :]` is `x.index(i, [2, 4], null)`. */
  index(...indices: readonly Index[]): Tensor {
    return shapes.index(this, ...indices);
  }
  pad(pads: readonly (readonly [number, number])[], value?: number): Tensor {
    return shapes.pad(this, pads, value);
  }
  flip(...axes: readonly number[]): Tensor {
    return shapes.flip(this, ...axes);
  }
  split(size: number, axis?: number): Tensor[] {
    return shapes.split(this, size, axis);
  }
  chunk(count: number, axis?: number): Tensor[] {
    return shapes.chunk(this, count, axis);
  }
  take(indices: Tensor, axis?: number): Tensor {
    return shapes.take(this, indices, axis);
  }
  gather(axis: number, indices: Tensor): Tensor {
    return shapes.gather(this, axis, indices);
  }
  tril(diagonal?: number): Tensor {
    return shapes.tril(this, diagonal);
  }
  triu(diagonal?: number): Tensor {
    return shapes.triu(this, diagonal);
  }

  // Over axes: all of them by default.
  sum(axes?: Axes, options?: ReduceOptions): Tensor {
    return reduce.sum(this, axes, options);
  }
  mean(axes?: Axes, options?: ReduceOptions): Tensor {
    return reduce.mean(this, axes, options);
  }
  max(axes?: Axes, options?: ReduceOptions): Tensor {
    return reduce.max(this, axes, options);
  }
  min(axes?: Axes, options?: ReduceOptions): Tensor {
    return reduce.min(this, axes, options);
  }
  variance(axes?: Axes, options?: VarianceOptions): Tensor {
    return reduce.variance(this, axes, options);
  }
  std(axes?: Axes, options?: VarianceOptions): Tensor {
    return this.variance(axes, options).sqrt();
  }
  norm(axes?: Axes, options?: ReduceOptions): Tensor {
    return reduce.norm(this, axes, options);
  }
  argmax(axis?: number, options?: ReduceOptions): Tensor {
    return reduce.argmax(this, axis, options);
  }
  cumsum(axis: number): Tensor {
    return reduce.cumsum(this, axis);
  }
  softmax(axis?: number): Tensor {
    return reduce.softmax(this, axis);
  }
  logSoftmax(axis?: number): Tensor {
    return reduce.logSoftmax(this, axis);
  }
  logSumExp(axis?: number, options?: ReduceOptions): Tensor {
    return reduce.logSumExp(this, axis, options);
  }

  matmul(x: Tensor): Tensor {
    return products.matmul(this, x);
  }
}
