/** What a product of two matrices is, and what is counted from it. */
import { assert } from "../../../core/errors.ts";
import type { Target } from "../../tile.ts";

/** How a matrix lies in memory. */
export interface MatmulOperand {
  /** Its transpose lies there: of A [M, K], rows of M; of B [K, N], rows of K. Default false. */
  readonly transposed?: boolean;
  /** Elements from one row in memory to the next. */
  readonly stride: number;
  /** Elements between the matrices of a batch, 0 (the default) where all use one. */
  readonly batchStride?: number;
  /** Default f32; bf16 only where the arithmetic is. */
  readonly type?: "f32" | "bf16";
}

/** C [M, N] = A [M, K] · B [K, N], for each of a batch. */
export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: MatmulOperand;
  readonly b: MatmulOperand;
  /** f32 rows; columns beyond N are not touched. */
  readonly c: { readonly stride: number; readonly batchStride?: number };
  /** Default 1. */
  readonly batch?: number;
  /** Adds to what C holds, which is the first of each sum. Default false. */
  readonly accumulate?: boolean;
  /** `bf16` rounds both operands to nearest even, multiplies exactly, and sums in f32. Default f32. */
  readonly arithmetic?: "f32" | "bf16";
}

/**
 * What kernels multiply: words of four bytes along K. Of bf16 a pair is a word where the target multiplies pairs; elsewhere a
 * word is a rounded f32, an even number of them, and the second of each two is added first, as the instruction does.
 */
export interface Words {
  readonly kind: "f32" | "pairs" | "rounded";
  readonly count: number;
}

export function wordsOf(target: Target, { k, arithmetic = "f32" }: MatmulShape): Words {
  if (arithmetic === "f32") return { kind: "f32", count: k };
  const pairs = Math.ceil(k / 2);
  return target.dotBf16 ? { kind: "pairs", count: pairs } : { kind: "rounded", count: 2 * pairs };
}

/** Elements of K in a word. */
export const elementsOf = ({ kind }: Words): 1 | 2 => (kind === "pairs" ? 2 : 1);

export const bytesOf = ({ type = "f32" }: MatmulOperand): 2 | 4 => (type === "f32" ? 4 : 2);

export function checkShape(shape: MatmulShape): void {
  const { m, n, k, a, b, c, batch = 1, arithmetic = "f32" } = shape;
  const said = (): string => JSON.stringify(shape);
  for (const size of [m, n, k, batch]) assert(Number.isInteger(size) && size > 0, () => `no product: ${said()}`);
  const rows = [a.transposed ? m : k, b.transposed ? k : n, n];
  for (const [i, { stride }] of [a, b, c].entries()) assert(stride >= rows[i]!, () => `rows overlap: ${said()}`);
  for (const { type } of [a, b]) assert(type !== "bf16" || arithmetic === "bf16", () => `bf16 operands: ${said()}`);
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
