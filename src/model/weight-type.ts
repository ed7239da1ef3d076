/** The storage formats of weights: how many elements a block holds, how many bytes it takes. Source: the GGML formats. */
import type { WeightType } from "./checkpoint.ts";

export interface WeightFormat {
  /** Elements that share one block; rows are whole blocks. */
  readonly block: number;
  readonly blockBytes: number;
}

export const weightFormats: Readonly<Record<WeightType, WeightFormat>> = {
  F32: { block: 1, blockBytes: 4 },
  F16: { block: 1, blockBytes: 2 },
  BF16: { block: 1, blockBytes: 2 },
  Q4_0: { block: 32, blockBytes: 18 },
  Q4_1: { block: 32, blockBytes: 20 },
  Q5_0: { block: 32, blockBytes: 22 },
  Q5_1: { block: 32, blockBytes: 24 },
  Q8_0: { block: 32, blockBytes: 34 },
  Q4_K: { block: 256, blockBytes: 144 },
  Q5_K: { block: 256, blockBytes: 176 },
  Q6_K: { block: 256, blockBytes: 210 },
};

/** Bytes of `elements` elements, which must be whole blocks. */
export function weightBytes(type: WeightType, elements: number): number {
  const { block, blockBytes } = weightFormats[type];
  return (elements / block) * blockBytes;
}
