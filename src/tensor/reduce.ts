/** Sums, means, extremes and what is made of them. Axes are all by default; `keepDims` leaves them with extent 1. */
import { sizeOf } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import type { ArrayMath } from "../graph/array-math.ts";
import { computeOne, type Recipe } from "./compute.ts";
import { axisOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export type Axes = number | readonly number[];

export interface ReduceOptions {
  readonly keepDims?: boolean;
}

export function axesOf(name: string, x: Tensor, axes: Axes | undefined): number[] {
  if (axes === undefined) return x.shape.map((_, i) => i);
  return (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(name, x, axis));
}

type Reduction = (m: ArrayMath, x: ArrayValue, axes: readonly number[]) => ArrayValue;

function reduction(name: string, x: Tensor, axes: Axes | undefined, keepDims: boolean, f: Reduction): Tensor {
  const at = axesOf(name, x, axes);
  const shape = x.shape.flatMap((d, i) => (at.includes(i) ? (keepDims ? [1] : []) : [d]));
  return computeOne(
    {
      name,
      key: `${name} [${at}] ${keepDims}`,
      build: (m, [v]) => [m.reshape(f(m, v!.type.dtype === "i32" ? m.cast(v!, "f32") : v!, at), shape)],
    },
    x,
  );
}

const countOf = ({ type: { shape } }: ArrayValue, axes: readonly number[]): number =>
  axes.reduce((n, axis) => n * shape[axis]!, 1);

export const meanOver: Reduction = (m, x, axes) => m.mul(m.sum(m.cast(x, "f32"), axes), 1 / countOf(x, axes));

export const sum = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor =>
  reduction("sum", x, axes, keepDims, (m, v, at) => m.sum(v, at));

export const mean = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor =>
  reduction("mean", x, axes, keepDims, meanOver);

/** Equal maxima share the gradient. */
export const max = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor =>
  reduction("max", x, axes, keepDims, (m, v, at) => m.max(v, at));

export const min = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor =>
  reduction("min", x, axes, keepDims, (m, v, at) => m.unary("neg", m.max(m.unary("neg", v), at)));

export interface VarianceOptions extends ReduceOptions {
  /** Taken off the number of elements in the divisor; 1 by default. */
  readonly correction?: number;
}

export const variance = (x: Tensor, axes?: Axes, { keepDims = false, correction = 1 }: VarianceOptions = {}): Tensor =>
  reduction(`variance ${correction}`, x, axes, keepDims, (m, v, at) => {
    const centred = m.sub(v, m.expand(meanOver(m, v, at), v.type.shape));
    return m.mul(m.sum(m.unary("square", centred), at), 1 / (countOf(v, at) - correction));
  });

/** The square root of the sum of squares. */
export const norm = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor =>
  reduction("norm", x, axes, keepDims, (m, v, at) => m.unary("sqrt", m.sum(m.unary("square", v), at)));

/** The first index of the greatest along an axis, of all elements where none is named; i32. */
export function argmax(x: Tensor, axis?: number, { keepDims = false }: ReduceOptions = {}): Tensor {
  const from = axis === undefined ? [sizeOf(x.shape)] : x.shape;
  const at = axis === undefined ? 0 : axisOf("argmax", x, axis);
  const shape = keepDims && axis !== undefined ? from.with(at, 1) : from.toSpliced(at, 1);
  return computeOne(
    {
      name: "argmax",
      key: `argmax ${axis} ${keepDims}`,
      build: (m, [v]) => [m.reshape(m.builder.add({ kind: "argmax", axis: at }, [m.reshape(v!, from)]), shape)],
    },
    x,
  );
}

export function cumsum(x: Tensor, axis: number): Tensor {
  const at = axisOf("cumsum", x, axis);
  return computeOne(
    {
      name: "cumsum",
      key: `cumsum ${at}`,
      build: (m, [v]) => [m.builder.add({ kind: "cumsum", axis: at }, [m.cast(v!, "f32")])],
    },
    x,
  );
}

/** exp(x − max), its sum, and the maximum, over one axis. */
export function exponentials(m: ArrayMath, value: ArrayValue, axis: number) {
  const x = m.cast(value, "f32");
  const greatest = m.max(x, [axis]);
  const shifted = m.sub(x, m.expand(greatest, x.type.shape));
  const powers = m.unary("exp", shifted);
  return { greatest, shifted, powers, total: m.sum(powers, [axis]) };
}

export function softmaxOver(m: ArrayMath, x: ArrayValue, axis: number): ArrayValue {
  const { powers, total } = exponentials(m, x, axis);
  return m.mul(powers, m.expand(m.unary("reciprocal", total), x.type.shape));
}

/** dx of y = softmax(x): y (dy − Σ y dy). */
export function softmaxGradient(m: ArrayMath, y: ArrayValue, dy: ArrayValue, axis: number): ArrayValue {
  return m.mul(y, m.sub(dy, m.expand(m.sum(m.mul(y, dy), [axis]), y.type.shape)));
}

export function softmax(x: Tensor, axis = -1): Tensor {
  const at = axisOf("softmax", x, axis);
  const recipe: Recipe = {
    name: "softmax",
    key: `softmax ${at}`,
    build: (m, [v]) => [softmaxOver(m, v!, at)],
    vjp: (m, _, [y], [dy]) => [softmaxGradient(m, y!, dy!, at)],
  };
  return computeOne(recipe, x);
}

export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const at = axisOf("logSoftmax", x, axis);
  const recipe: Recipe = {
    name: "logSoftmax",
    key: `logSoftmax ${at}`,
    build: (m, [v]) => {
      const { shifted, total } = exponentials(m, v!, at);
      return [m.sub(shifted, m.expand(m.unary("log", total), shifted.type.shape))];
    },
    vjp: (m, _, [y], [dy]) => {
      const all = m.expand(m.sum(dy!, [at]), y!.type.shape);
      return [m.sub(dy!, m.mul(m.unary("exp", y!), all))];
    },
  };
  return computeOne(recipe, x);
}

export function logSumExp(x: Tensor, axis = -1, { keepDims = false }: ReduceOptions = {}): Tensor {
  const at = axisOf("logSumExp", x, axis);
  const shape = keepDims ? x.shape.with(at, 1) : x.shape.toSpliced(at, 1);
  const recipe: Recipe = {
    name: "logSumExp",
    key: `logSumExp ${at} ${keepDims}`,
    build: (m, [v]) => {
      const x = m.cast(v!, "f32");
      const greatest = m.max(x, [at]);
      // Infinity less itself would be NaN; less nothing it is the answer, as is -Infinity of nothing but that.
      const infinite = m.binary("eq", m.unary("abs", greatest), Number.POSITIVE_INFINITY);
      const base = m.where(infinite, m.fill(greatest, 0), greatest);
      const total = m.sum(m.unary("exp", m.sub(x, m.expand(base, x.type.shape))), [at]);
      return [m.reshape(m.add(base, m.unary("log", total)), shape)];
    },
    vjp: (m, [v], _, [dy]) => {
      const wide = m.expand(m.reshape(dy!, x.shape.with(at, 1)), x.shape);
      return [m.mul(softmaxOver(m, v!, at), wide)];
    },
  };
  return computeOne(recipe, x);
}
