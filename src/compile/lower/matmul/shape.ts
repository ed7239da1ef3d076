/** What a product of two matrices is, and what is counted from it. */
import { assert } from "../../../core/errors.ts";
import type { Target } from "../../tile.ts";

export type ElementType = "f32" | "bf16" | "i8";

/** How a matrix lies in memory. */
export interface MatmulOperand {
  /** Its transpose lies there: of A [M, K], rows of M; of B [K, N], rows of K. Default false. */
  readonly transposed?: boolean;
  /** Elements from one row in memory to the next. */
  readonly stride: number;
  /** Elements between the matrices of a batch, 0 (the default) where all use one. */
  readonly batchStride?: number;
  /** Default f32, of int8 arithmetic always i8; bf16 only where the arithmetic is. */
  readonly type?: ElementType;
}

/** C [M, N] = A [M, K] · B [K, N], for each of a batch. */
export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: MatmulOperand;
  readonly b: MatmulOperand;
  /** Rows of f32, or of i32 where integers are not scaled; columns beyond N are not touched. */
  readonly c: { readonly stride: number; readonly batchStride?: number };
  /** Default 1. */
  readonly batch?: number;
  /** Adds to what C holds, which is the first of each sum. Default false. */
  readonly accumulate?: boolean;
  /**
   * `bf16` rounds both operands to nearest even, multiplies exactly, and sums in f32; `int8` is exact, any codes of -128 … 127,
   * as far as sums fit an i32. Default f32.
   */
  readonly arithmetic?: "f32" | "bf16" | "int8";
  /** Of int8: each sum becomes f32, times its row's scale and its column's. Default false: C gets the integers. */
  readonly scaled?: boolean;
}

/**
 * What kernels multiply: words of four bytes along K. Of int8 a word is four bytes, those of A unsigned (128 more) when they
 * are multiplied; where the target does not multiply bytes, two i16. Of bf16 a pair is a word where the target multiplies
 * pairs; elsewhere a word is a rounded f32, an even number of them, and the second of each two is added first, as the
 * instruction does.
 */
export interface Words {
  readonly kind: "f32" | "pairs" | "rounded" | "quads" | "halves";
  readonly count: number;
}

export function wordsOf(target: Target, { k, arithmetic = "f32" }: MatmulShape): Words {
  if (arithmetic === "f32") return { kind: "f32", count: k };
  if (arithmetic === "int8" && target.dot4) return { kind: "quads", count: Math.ceil(k / 4) };
  const pairs = Math.ceil(k / 2);
  if (arithmetic === "int8") return { kind: "halves", count: pairs };
  return target.dotBf16 ? { kind: "pairs", count: pairs } : { kind: "rounded", count: 2 * pairs };
}

/** Elements of K in a word. */
export const elementsOf = ({ kind }: Words): 1 | 2 | 4 =>
  (({ f32: 1, rounded: 1, pairs: 2, halves: 2, quads: 4 }) as const)[kind];

export const elementBytes = { f32: 4, bf16: 2, i8: 1 } as const;

export const bytesOf = ({ type = "f32" }: MatmulOperand): 1 | 2 | 4 => elementBytes[type];

export function checkShape(shape: MatmulShape): void {
  const { m, n, k, a, b, c, batch = 1, arithmetic = "f32" } = shape;
  const said = (): string => JSON.stringify(shape);
  for (const size of [m, n, k, batch]) assert(Number.isInteger(size) && size > 0, () => `no product: ${said()}`);
  const rows = [a.transposed ? m : k, b.transposed ? k : n, n];
  for (const [i, { stride }] of [a, b, c].entries()) assert(stride >= rows[i]!, () => `rows overlap: ${said()}`);
  for (const { type = "f32" } of [a, b]) {
    const right = arithmetic === "int8" ? type === "i8" : type === "f32" || type === arithmetic;
    assert(right, () => `operands of another type: ${said()}`);
  }
  assert(!shape.scaled || (arithmetic === "int8" && !shape.accumulate), () => `nothing to scale: ${said()}`);
  assert(batch === 1 || c.batchStride !== undefined, () => `results of a batch overlap: ${said()}`);
}

/**
 * Rows in tiles of nearly equal height, since a short tile costs almost as much as a high one: the first `tall` tiles have
 * `height` rows, the others one less.
 */
export interface Tiling {
  readonly count: number;
  readonly height: number;
  readonly tall: number;
}

export function tilingOf(rows: number, heightMost: number): Tiling {
  const count = Math.ceil(rows / heightMost);
  const height = Math.ceil(rows / count);
  return { count, height, tall: rows - count * (height - 1) };
}
