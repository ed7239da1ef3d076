/**
 * The family of operations that training and the tensor library are made of: dense arrays of any rank, whose extents are
 * numbers. Broadcasting, casts and layouts are nodes of their own, so that each operation has one meaning, one gradient and one
 * batching rule. Models of a decoder's step use the family in `ir.ts`; both are graphs of the same shape.
 *
 * Arrays are row-major. Images are channels-last: [N, H, W, C].
 */
import type { Graph, Node } from "./ir.ts";

/** Comparisons give f32 that is 0 or 1. `bf16` is stored as two bytes; arithmetic on it is that of f32, rounded at the end. */
export type ArrayDType = "f32" | "i32" | "bf16";

export interface ArrayType {
  readonly dtype: ArrayDType;
  readonly shape: readonly number[];
}

/** Of one array, element by element. `gelu` is the tanh approximation, `erf` within 2 ulp of the exact one. */
export type Unary =
  | "neg"
  | "abs"
  | "sign"
  | "exp"
  | "log"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "sin"
  | "cos"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "floor"
  | "relu"
  | "gelu"
  | "silu"
  | "square";

/** Of two arrays of equal type. The last three compare, and give f32 0 or 1. `max` and `min` pass NaN on. */
export type Binary = "add" | "sub" | "mul" | "div" | "pow" | "max" | "min" | "eq" | "lt" | "le";

/** How a window of [height, width] moves over an image; padding is [top, bottom, left, right]. */
export interface Window {
  readonly strides: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
}

export type Convolution = Window & {
  readonly dilations: readonly [number, number];
  readonly groups: number;
};

export type Pooling = Window & {
  readonly fn: "max" | "mean";
  readonly size: readonly [number, number];
};

/** Every operation, with its attributes. Inputs are listed in the comment. */
export type ArrayOp =
  /** Bound when the program runs: parameters, data, optimizer state, keys of random streams. */
  | { readonly kind: "input"; readonly name: string }
  /** Every element is `value`. */
  | { readonly kind: "constant"; readonly value: number }
  /** Each element is its index along `axis`; f32 or i32. */
  | { readonly kind: "iota"; readonly axis: number }
  | { readonly kind: "unary"; readonly fn: Unary }
  | { readonly kind: "binary"; readonly fn: Binary }
  /** (condition f32, a, b), all of one shape → a where the condition is not 0, else b. */
  | { readonly kind: "where" }
  /** To another dtype: f32 to i32 truncates, f32 to bf16 rounds to nearest even. */
  | { readonly kind: "cast" }
  /** The same elements in the same order under another shape. */
  | { readonly kind: "reshape" }
  /** Axis i of the result is axis `order[i]` of the input. */
  | { readonly kind: "transpose"; readonly order: readonly number[] }
  /** Repeats along axes whose extent is 1; the rank stays. */
  | { readonly kind: "expand" }
  /** Along axis i: elements `starts[i]`, `starts[i] + steps[i]`, … as many as the declared extent. Steps are positive. */
  | { readonly kind: "slice"; readonly starts: readonly number[]; readonly steps: readonly number[] }
  /** Puts `low[i]` before, `high[i]` after and `interior[i]` between the elements along axis i, each `value`; none is negative. */
  | {
      readonly kind: "pad";
      readonly low: readonly number[];
      readonly high: readonly number[];
      readonly interior: readonly number[];
      readonly value: number;
    }
  | { readonly kind: "flip"; readonly axes: readonly number[] }
  /** (a, b, …), equal but along `axis`. */
  | { readonly kind: "concat"; readonly axis: number }
  /** Over `axes`, whose extents become 1. Sums of more than 16 elements are pairwise or in f32 lanes: within 1e-6 relative. */
  | { readonly kind: "reduce"; readonly fn: "sum" | "max"; readonly axes: readonly number[] }
  /** The first index of the greatest, or of NaN, along `axis`, whose extent becomes 1; i32. */
  | { readonly kind: "argmax"; readonly axis: number }
  /** Running sums along `axis`. */
  | { readonly kind: "cumsum"; readonly axis: number }
  /**
   * (a [...B, M, K], b [...B, K, N]) → [...B, M, N]; with `transposeA` a is [...B, K, M], with `transposeB` b is [...B, N, K].
   * Both are f32, or both bf16 (products are summed in f32); the result is f32.
   */
  | { readonly kind: "matmul"; readonly transposeA: boolean; readonly transposeB: boolean }
  /** (x [N, H, W, C], w [h, w, C / groups, O]) → [N, H', W', O]; both f32, or both bf16; the result is f32. */
  | ({ readonly kind: "conv2d" } & Convolution)
  /** (dy [N, H', W', O], w) → the gradient of x, whose type is declared. */
  | ({ readonly kind: "conv2dInput" } & Convolution)
  /** (x, dy) → the gradient of w, whose type is declared. */
  | ({ readonly kind: "conv2dWeight" } & Convolution)
  /** (x [N, H, W, C]) → [N, H', W', C]. What is padded does not count, in the maximum and in the mean's divisor. */
  | ({ readonly kind: "pool2d" } & Pooling)
  /** (x, y, dy) → the gradient of x; of equal maxima the first in the window gets it. */
  | ({ readonly kind: "pool2dInput" } & Pooling)
  /**
   * (q, k, v), f32 of one shape [...B, T, C], C a multiple of 16 → softmax(q kᵀ × scale) v. `causal`: query t sees the keys up to
   * t. Scores are never stored.
   */
  | { readonly kind: "attention"; readonly causal: boolean; readonly scale: number }
  /** (q, k, v, dy) → [3, ...B, T, C]: the gradients of q, k and v. */
  | { readonly kind: "attentionInput"; readonly causal: boolean; readonly scale: number }
  /** (table [V, ...D], indices i32 [...I]) → [...I, ...D]. Indices are within V: the engine checks them where they enter. */
  | { readonly kind: "take" }
  /** (indices i32 [...I], values [...I, ...D]) → [V, ...D], declared: sums of the values at each index, in order of the indices. */
  | { readonly kind: "scatterAdd" }
  /**
   * (key i32 [2]) → f32 of the declared shape. Element i is a function of (key, `stream`, i) alone, so whatever is computed
   * again draws the same. `uniform` is in [0, 1), `normal` has mean 0 and deviation 1. Philox 4×32-10 (Salmon et al., SC'11):
   * element i (row-major) is word `(i >> 4) & 3` of the block whose counter is [(i >> 6) · 16 + (i & 15), 0, stream, 0] under
   * the key [key[0], key[1]], all as unsigned words: 16 blocks side by side in vectors give 64 consecutive elements, the four
   * words one after the other. `uniform` of a word x is (x >>> 8) · 2⁻²⁴. `normal` is Box and Muller's: with (x, y) the words
   * (0, 1) or (2, 3) that the element's word is one of, √(−2 ln(((x >>> 8) + 1) · 2⁻²⁴)) times the cosine (even word) or sine
   * (odd word) of (y >>> 8) · 2⁻²⁴ · 2π.
   */
  | { readonly kind: "random"; readonly fn: "uniform" | "normal"; readonly stream: number };

export type ArrayOpKind = ArrayOp["kind"];
export type ArrayNode = Node<ArrayOp, ArrayType>;
export type ArrayGraph = Graph<ArrayOp, ArrayType>;

/** Number of elements. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export const bytesOfType = { f32: 4, i32: 4, bf16: 2 } as const satisfies Readonly<Record<ArrayDType, number>>;
