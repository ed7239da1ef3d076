/** Matrix products, attention, convolution and pooling. Under `autocast` operands are rounded to bf16; results are f32. */

import type { Convolution, Pooling } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import type { ArrayMath } from "../graph/array-math.ts";
import { computeOne, type Recipe } from "./compute.ts";
import { context, within } from "./context.ts";
import { broadcastShape } from "./elements.ts";
import { softmaxGradient, softmaxOver } from "./reduce.ts";
import { reshape, take } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

/** Products and convolutions within `body` take bf16 operands; parameters and everything else stay f32. */
export const autocast = <T>(body: () => T): T => within({ autocast: true }, body);

const dtypeOf = (...operands: readonly Tensor[]): "f32" | "bf16" =>
  context.autocast || operands.every((t) => t.dtype === "bf16") ? "bf16" : "f32";

/**
 * (a [..., M, K], b [..., K, N]) → [..., M, N], f32; leading axes broadcast, and a vector is a row on the left and a column on
 * the right.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const [rank, other] = [a.shape.length, b.shape.length];
  const over = `matmul over ${a.signature} and ${b.signature}`;
  if (rank === 0 || other === 0) refuse(over, "it takes tensors with axes.", "Use mul for numbers.");
  if (rank === 1)
    return reshape(matmul(reshape(a, [1, a.shape[0]!]), b), [
      ...b.shape.slice(0, -2),
      ...b.shape.slice(-1).slice(0, other - 1),
    ]);
  if (other === 1) return reshape(matmul(a, reshape(b, [b.shape[0]!, 1])), a.shape.slice(0, -1));
  const [m, k, inner, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-2)!, b.shape.at(-1)!];
  if (k !== inner) refuse(over, `the inner extents are ${k} and ${inner}.`);
  const dtype = dtypeOf(a, b);
  // Rows of many matrices times one matrix are one product.
  if (other === 2 && rank > 2) {
    const rows = a.shape.slice(0, -1).reduce((p, d) => p * d, 1);
    return reshape(matmul(reshape(a, [rows, k]), b), [...a.shape.slice(0, -1), n]);
  }
  const batch = broadcastShape("matmul", [a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  return computeOne(
    {
      name: "matmul",
      key: `matmul ${dtype}`,
      build: (g, [x, y]) => [
        g.matmul(g.broadcast(g.cast(x!, dtype), [...batch, m, k]), g.broadcast(g.cast(y!, dtype), [...batch, k, n])),
      ],
    },
    a,
    b,
  );
}

/** (x [..., I], weight [O, I], bias [O]?) → x weightᵀ + bias: [..., O]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [outputs, inputs] = weight.shape;
  if (weight.shape.length !== 2 || x.shape.length === 0 || x.shape.at(-1) !== inputs)
    refuse(`linear over ${x.signature} and ${weight.signature}`, `the last axis of the input must be ${inputs}.`);
  const dtype = dtypeOf(x, weight);
  const rows = x.shape.slice(0, -1).reduce((p, d) => p * d, 1);
  const shape = [...x.shape.slice(0, -1), outputs!];
  return computeOne(
    {
      name: "linear",
      key: `linear ${dtype}`,
      build: (m, [v, w, b]) => {
        const product = m.matmul(m.cast(m.reshape(v!, [rows, inputs!]), dtype), m.cast(w!, dtype), false, true);
        const whole = b === undefined ? product : m.add(product, m.broadcast(m.cast(b, "f32"), [rows, outputs!]));
        return [m.reshape(whole, shape)];
      },
    },
    ...(bias === undefined ? [x, weight] : [x, weight, bias]),
  );
}

/** Rows of `table` [V, D] by i32 indices [...] → [..., D]. */
export const embedding = (indices: Tensor, table: Tensor): Tensor => take(table, indices);

export interface AttentionOptions {
  /** A query sees keys up to its own place, counted from the end of both. */
  readonly causal?: boolean;
  /** 1/√D by default. */
  readonly scale?: number;
}

/**
 * (q [..., T, D], k [..., S, D], v [..., S, D]) → softmax(q kᵀ · scale) v: [..., T, D]. `mask` (f32, repeats to [..., T, S]) is
 * 0 where a query does not see a key.
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { causal = false, scale = 1 / Math.sqrt(q.shape.at(-1)!) }: AttentionOptions = {},
  mask?: Tensor,
): Tensor {
  const dtype = dtypeOf(q, k, v);
  const fits = `${k.shape}` === `${v.shape}` && `${q.shape.toSpliced(-2, 1)}` === `${k.shape.toSpliced(-2, 1)}`;
  if (!fits || q.shape.length < 2)
    refuse(`attention over ${q.signature}, ${k.signature}, ${v.signature}`, "the batches or widths differ.");
  const axis = q.shape.length - 1;
  const [queries, keys] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const width = q.shape[axis]!;
  const alike = queries === keys && [q, k, v].every((t) => t.dtype !== "i32") && q.size > 0;
  if (alike && mask === undefined && width % 16 === 0 && scale > 0 && keys * (width + 32) <= attentionElementsMax)
    return attentionInOne([q, k, v], dtype, { causal, scale });
  const narrow = (m: ArrayMath, x: ArrayValue): ArrayValue => m.cast(x, dtype);
  const probabilities = (m: ArrayMath, [x, y, , seen]: readonly ArrayValue[]): ArrayValue => {
    const scores = m.mul(m.matmul(narrow(m, x!), narrow(m, y!), false, true), scale);
    return softmaxOver(m, visible(m, scores, causal ? keys - queries : undefined, seen), axis);
  };
  const recipe: Recipe = {
    name: "attention",
    key: `attention ${dtype} ${causal} ${scale}`,
    build: (m, inputs) => [m.matmul(narrow(m, probabilities(m, inputs)), narrow(m, inputs[2]!))],
    vjp: (m, inputs, _, [dy]) => {
      const [x, y, w] = inputs.map((value) => narrow(m, value));
      const p = probabilities(m, inputs);
      const g = narrow(m, dy!);
      const scores = softmaxGradient(m, p, m.matmul(g, w!, false, true), axis);
      const ds = narrow(m, m.mul(scores, scale));
      return [m.matmul(ds, y!), m.matmul(ds, x!, true), m.matmul(narrow(m, p), g, true), undefined];
    },
  };
  return computeOne(recipe, ...(mask === undefined ? [q, k, v] : [q, k, v, mask]));
}

/** Numbers of a transposed matrix of keys and a block of scores, two of each of which a thread's scratch has room for. */
const attentionElementsMax = 450_000;

/** As one operation, whose scores are never stored. Operands are rounded to `dtype`; the rest is f32. */
function attentionInOne(
  operands: readonly Tensor[],
  dtype: "f32" | "bf16",
  how: { readonly causal: boolean; readonly scale: number },
): Tensor {
  return computeOne(
    {
      name: "attention",
      key: `attention in one ${dtype} ${how.causal} ${how.scale}`,
      build: (m, inputs) => {
        const rounded = inputs.map((x) => m.cast(m.cast(x, dtype), "f32"));
        return [m.builder.add({ kind: "attention", ...how }, rounded)];
      },
    },
    ...operands,
  );
}

/** Scores with a great negative number in place of those that are not seen. */
function visible(
  m: ArrayMath,
  scores: ArrayValue,
  offset: number | undefined,
  seen: ArrayValue | undefined,
): ArrayValue {
  const { shape } = scores.type;
  const hidden = m.constant(-1e30, shape);
  const masked = seen === undefined ? scores : m.where(m.broadcast(seen, shape), scores, hidden);
  if (offset === undefined) return masked;
  const row = m.add(m.iota(shape.slice(-2), 0), offset);
  const causal = m.binary("le", m.iota(shape.slice(-2), 1), row);
  return m.where(m.broadcast(causal, shape), masked, hidden);
}

export interface ConvolutionOptions {
  readonly stride?: number | readonly [number, number];
  readonly padding?: number | readonly [number, number] | readonly [number, number, number, number];
  readonly dilation?: number | readonly [number, number];
  readonly groups?: number;
}

const pair = (x: number | readonly [number, number]): readonly [number, number] => (typeof x === "number" ? [x, x] : x);

const sides = (
  p: number | readonly [number, number] | readonly [number, number, number, number],
): readonly [number, number, number, number] => {
  if (typeof p === "number") return [p, p, p, p];
  return p.length === 2 ? [p[0], p[0], p[1], p[1]] : p;
};

/** (x [N, H, W, C], weight [h, w, C / groups, O], bias [O]?) → [N, H', W', O]. Padding is [rows, columns] or [top, bottom, left, right]. */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolutionOptions = {}): Tensor {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const op: Convolution = { strides: pair(stride), padding: sides(padding), dilations: pair(dilation), groups };
  const dtype = dtypeOf(x, weight);
  return computeOne(
    {
      name: "conv2d",
      key: `conv2d ${dtype} ${JSON.stringify(op)}`,
      build: (m, [v, w, b]) => {
        const y = m.builder.add({ kind: "conv2d", ...op }, [m.cast(v!, dtype), m.cast(w!, dtype)]);
        return [b === undefined ? y : m.add(y, m.broadcast(b, y.type.shape))];
      },
    },
    ...(bias === undefined ? [x, weight] : [x, weight, bias]),
  );
}

export interface PoolingOptions {
  /** The window's size by default. */
  readonly stride?: number | readonly [number, number];
  readonly padding?: number | readonly [number, number] | readonly [number, number, number, number];
}

function pool2d(
  fn: "max" | "mean",
  x: Tensor,
  size: number | readonly [number, number],
  { stride = size, padding = 0 }: PoolingOptions,
): Tensor {
  const op: Pooling = { fn, size: pair(size), strides: pair(stride), padding: sides(padding) };
  return computeOne(
    {
      name: `${fn === "max" ? "max" : "avg"}Pool2d`,
      key: `pool2d ${JSON.stringify(op)}`,
      build: (m, [v]) => [m.builder.add({ kind: "pool2d", ...op }, [v!])],
    },
    x,
  );
}

/** (x [N, H, W, C]) → [N, H', W', C]: the greatest in each window; padding is not seen. */
export const maxPool2d = (x: Tensor, size: number | readonly [number, number], options: PoolingOptions = {}): Tensor =>
  pool2d("max", x, size, options);

/** The mean of each window, of what is not padding. */
export const avgPool2d = (x: Tensor, size: number | readonly [number, number], options: PoolingOptions = {}): Tensor =>
  pool2d("mean", x, size, options);
