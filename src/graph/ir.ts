/**
 * The one intermediate representation: a directed graph of tensor operations, in execution order.
 *
 * A node is data: an operation, the ids of its inputs, and its type. Dimensions are numbers or the name of a quantity
 * that each step decides, so one compiled program serves every batch. Legend, used in every docstring below:
 * T tokens in the step, S rows whose output is wanted, D width, H query heads, G key-value heads, C head width,
 * V vocabulary.
 */
export type Dim = number | "T" | "S";
export type Shape = readonly Dim[];
/** `q8` is f32 quantised to int8 in blocks of 32, each with its scale: the compiler makes it, and bf16. */
export type DType = "f32" | "i32" | "q8" | "bf16";

export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type NodeId = number;

/** Rotary position embedding; `angle(position, i) = position * frequencies[i]`, and cos and sin times `magnitude`. */
export interface Rope {
  /** `C / 2` angular frequencies, radians a token; scaling rules (linear, llama3, …) are already in them. */
  readonly frequencies: readonly number[];
  readonly magnitude: number;
}

/** Every operation, with its attributes. Inputs are listed in the comment. */
export type Op =
  /** `tokens` i32 [T], `positions` i32 [T], `rows` i32 [S], `inverseTemperatures` f32 [S], `adapters` f32 [T, R]: 1 in a token's own columns. */
  | { readonly kind: "input"; readonly name: InputName }
  /**
   * A parameter of the checkpoint: [N, K] row-major for a matrix, [D] for a vector. With `parts` it is those parameters, one
   * below the other, under a name of its own.
   */
  | { readonly kind: "weight"; readonly name: string; readonly parts?: readonly string[] }
  /** (tokens [T], table [V, D]) → [T, D], each row times `scale`. */
  | { readonly kind: "embed"; readonly scale: number }
  /** (x [T, K], w [N, K], bias [N]?) → [T, N] = x wᵀ + bias. */
  | { readonly kind: "linear" }
  /** (x [..., D], w [D]) → x / sqrt(mean(x²) + epsilon) * w over the last dimension. */
  | { readonly kind: "rmsNorm"; readonly epsilon: number }
  /** Splits or joins dimensions; the data stays where it is. */
  | { readonly kind: "reshape" }
  /** (x [T, H, C], positions [T]) → [T, H, C]; pairs element i with i + C/2. */
  | { readonly kind: "rope"; readonly rope: Rope }
  /**
   * (q [T, H, C], k [T, G, C], v [T, G, C], positions [T]) → [T, H, C]. Appends k and v to the cache of `layer`, unless they
   * are what `cacheStore` gave, then each token attends, causally, to its own sequence: to the last `window` positions where
   * given. Scores are times `scale`.
   */
  | { readonly kind: "attention"; readonly layer: number; readonly scale: number; readonly window?: number }
  | { readonly kind: "add" }
  | { readonly kind: "mul" }
  /** The tanh approximation of GELU. */
  | { readonly kind: "gelu" }
  | { readonly kind: "silu" }
  | { readonly kind: "relu" }
  /** (x [T, D₁], y [T, D₂], …) → [T, D₁ + D₂ + …]; all but the last are multiples of 32 wide. */
  | { readonly kind: "concat" }
  /** (x [T, D]) → [T, to - from]: columns `from` … `to`, multiples of 32 (`to` may be D). */
  | { readonly kind: "slice"; readonly from: number; readonly to: number }
  /** (x [T, D], rows [S]) → [S, D]. */
  | { readonly kind: "gather" }
  // What follows is written by passes, never by architectures.
  /** (k [T, G, C], v [T, G, C]) → the cache of `layer` with them, as attention to it takes it twice: [T, G, C]. */
  | { readonly kind: "cacheStore"; readonly layer: number }
  /** (gate, up) → activation(gate) × up. */
  | { readonly kind: "gate"; readonly activation: "gelu" | "silu" }
  /** (x [T, K]) → q8 [T, K]. */
  | { readonly kind: "quantize" }
  /** (x [T, K]) → bf16 [T, K]. */
  | { readonly kind: "narrow" }
  /** (x [S, V]) → [S, V / 256]: the maximum of each whole run of 256. */
  | { readonly kind: "rowMaxima" }
  /** (x [S, V], maxima, inverse temperatures [S]) → [S, V / 256]: sums of exp((x - max) × inverse temperature). */
  | { readonly kind: "rowSums" };

export type InputName = "tokens" | "positions" | "rows" | "inverseTemperatures" | "adapters";

export type OpKind = Op["kind"];

/** `O` is a family of operations: those of a decoder's step, above, or those on whole arrays, in `array.ts`. */
export interface Node<O = Op, T = Type> {
  readonly id: NodeId;
  readonly op: O;
  readonly inputs: readonly NodeId[];
  readonly type: T;
}

export interface Graph<O = Op, T = Type> {
  /** In an order in which each node follows its inputs; `nodes[i].id` need not be `i` after a pass. */
  readonly nodes: readonly Node<O, T>[];
  /** What the step returns, by name: `logits` [S, V] and `hidden` [S, D] for a decoder. */
  readonly outputs: Readonly<Record<string, NodeId>>;
}
