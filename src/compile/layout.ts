/**
 * How tensors lie in device memory.
 *
 * An activation row of D numbers takes `rowFloats(D)`, a multiple of 32, and its padding is zero: kernels read and write
 * whole vectors, and every op keeps zero at zero. A row of H heads is H × C numbers and then padding. Weights are packed in groups of 16 output rows, so that a vector holds
 * one k of 16 rows and no lane is ever added to another.
 */
import { assert } from "../core/errors.ts";

export const group = 16;
/** Groups that one work item of a linear kernel computes. */
export const groupsPerItem = 2;
export const quantBlock = 32;

const pad = (n: number, to: number): number => Math.ceil(n / to) * to;

export const rowFloats = (width: number): number => pad(width, groupsPerItem * group);

/**
 * A matrix [N, K] of weights as kernels read it.
 *
 * `f32` and `bf16`: per group, K × 16 numbers. `int8`: per group, first the scales of all sub-blocks ([K / subBlock][16], f16 or
 * f32), then, if not symmetric, the minima (f32), then codes, [K / 4][16 rows][4], one unsigned byte each. The weight is
 * scale × (code - 128) where symmetric, else scale × code - minimum.
 */
export type WeightFormat =
  | { readonly kind: "f32" }
  | { readonly kind: "bf16" }
  | { readonly kind: "int8"; readonly subBlock: 16 | 32; readonly symmetric: boolean; readonly halfScale: boolean };

export interface WeightLayout {
  readonly groups: number;
  readonly groupBytes: number;
  /** Byte offsets in a group. */
  readonly scales: number;
  readonly minima: number;
  readonly codes: number;
  readonly bytes: number;
}

export function weightLayout(format: WeightFormat, n: number, k: number): WeightLayout {
  const groups = pad(Math.ceil(n / group), groupsPerItem);
  if (format.kind !== "int8") {
    const groupBytes = k * group * (format.kind === "f32" ? 4 : 2);
    return { groups, groupBytes, scales: 0, minima: 0, codes: 0, bytes: groups * groupBytes };
  }
  assert(k % quantBlock === 0, () => `a quantised row of ${k}`);
  const subBlocks = k / format.subBlock;
  const minima = pad(subBlocks * group * (format.halfScale ? 2 : 4), 64);
  const codes = pad(minima + (format.symmetric ? 0 : subBlocks * group * 4), 64);
  const groupBytes = codes + k * group;
  return { groups, groupBytes, scales: 0, minima, codes, bytes: groups * groupBytes };
}

/** The order in which the four bytes of a lane hold four consecutive k: kernels without dot4 read even and odd bytes. */
export const byteOrder = (dot4: boolean): readonly number[] => (dot4 ? [0, 1, 2, 3] : [0, 2, 1, 3]);

/**
 * An activation row quantised in blocks of 32: codes, then 32 bytes of facts a block. With dot4 the codes are K signed
 * bytes; without, K bytes that hold the even codes of each four times 256 as i16 pairs, then K bytes for the odd ones.
 */
export interface QuantLayout {
  readonly odd: number;
  readonly facts: number;
  readonly rowBytes: number;
}

/** Offsets in a block's facts: f32 scale, i32 -128 Σq of the block and of its halves, f32 scale × Σq. */
export const fact = { stride: 32, scale: 0, offset: 4, offsetLow: 8, offsetHigh: 12, sum: 16 } as const;

export function quantLayout(k: number, dot4: boolean): QuantLayout {
  const facts = pad(dot4 ? k : 2 * k, 32);
  return { odd: k, facts, rowBytes: pad(facts + (k / quantBlock) * fact.stride, 64) };
}
