/**
 * How tensors lie in device memory.
 *
 * An activation row of D numbers takes `rowFloats(D)`, a multiple of 32, and its padding is zero: kernels read and write
 * whole vectors, and every op keeps zero at zero. A row of H heads is H × C numbers and then padding. Weights are packed in
 * panels of 32 output rows, so that a vector holds one k of several rows and no lane is ever added to another; a panel is
 * one run of memory, in the order in which it is read.
 */
import { assert } from "../core/errors.ts";
import { type BlockType, blockFormats, blockLayout, panelRows } from "./block-format.ts";

export const quantBlock = 32;

export const pad = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Rows whose stride is a multiple of 4 KiB would all fall on the same lines of the nearest cache. */
const pageFloats = 1024;

export function rowFloats(width: number): number {
  const floats = pad(width, panelRows);
  return floats % pageFloats === 0 ? floats + panelRows : floats;
}

/**
 * A matrix [N, K] of weights as kernels read it, panel by panel of 32 rows.
 *
 * `f32`: K × 32 numbers. `bf16`: K / 2 × 32 pairs. `blocks`: for each block of columns what `BlockLayout` says.
 */
export type WeightFormat =
  | { readonly kind: "f32" }
  | { readonly kind: "bf16" }
  | { readonly kind: "blocks"; readonly type: BlockType };

export interface WeightLayout {
  readonly panels: number;
  readonly panelBytes: number;
  readonly bytes: number;
}

export function weightLayout(format: WeightFormat, n: number, k: number): WeightLayout {
  const panels = Math.ceil(n / panelRows);
  const panelBytes = panelBytesOf(format, k);
  return { panels, panelBytes, bytes: panels * panelBytes };
}

function panelBytesOf(format: WeightFormat, k: number): number {
  if (format.kind === "f32") return k * panelRows * 4;
  if (format.kind === "bf16") return Math.ceil(k / 2) * panelRows * 4;
  const f = blockFormats[format.type];
  assert(k % f.block === 0, () => `a row of ${k} in ${format.type}`);
  return (k / f.block) * blockLayout(f).bytes;
}

/**
 * An activation row quantised in blocks of 32: codes as K signed bytes, then 16 bytes of facts a block. Without dot4 there
 * are two more runs of K bytes between them, of -8 … 8: a code is 16 × its high part + its low part, and either part's
 * products with unsigned bytes can be added up in 16 bits.
 */
export interface QuantLayout {
  readonly low: number;
  readonly high: number;
  readonly facts: number;
  readonly rowBytes: number;
}

/** Offsets in a block's facts: f32 scale, i32 -Σq of the block and of its first half, f32 scale × Σq. */
export const fact = { stride: 16, scale: 0, negative: 4, negativeLow: 8, sum: 12 } as const;

export function quantLayout(k: number, dot4: boolean): QuantLayout {
  const facts = pad(dot4 ? k : 3 * k, 32);
  return { low: k, high: 2 * k, facts, rowBytes: pad(facts + (k / quantBlock) * fact.stride, 64) };
}

/** Bytes of an activation row in bf16: pairs where the target multiplies pairs, else f32 rounded to bf16. */
export const narrowRowBytes = (k: number, dotBf16: boolean): number =>
  dotBf16 ? pad(k * 2, 64) + 64 : rowFloats(k) * 4;
