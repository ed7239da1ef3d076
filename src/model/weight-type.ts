/** The storage formats of weights: how many elements a block holds, how many bytes it takes. Source: the GGML formats. */
import { type BlockType, blockFormats } from "../compile/block-format.ts";
import type { WeightType } from "./checkpoint.ts";

export interface WeightFormat {
  /** Elements that share one block; rows are whole blocks. */
  readonly block: number;
  readonly blockBytes: number;
}

const blocks = (type: BlockType): WeightFormat => {
  const { block, storedBytes } = blockFormats[type];
  return { block, blockBytes: storedBytes };
};

export const weightFormats: Readonly<Record<WeightType, WeightFormat>> = {
  F32: { block: 1, blockBytes: 4 },
  F16: { block: 1, blockBytes: 2 },
  BF16: { block: 1, blockBytes: 2 },
  Q4_0: blocks("Q4_0"),
  Q4_1: blocks("Q4_1"),
  Q5_0: blocks("Q5_0"),
  Q5_1: blocks("Q5_1"),
  Q8_0: blocks("Q8_0"),
  Q4_K: blocks("Q4_K"),
  Q5_K: blocks("Q5_K"),
  Q6_K: blocks("Q6_K"),
};

/** Bytes of `elements` elements, which must be whole blocks. */
export function weightBytes(type: WeightType, elements: number): number {
  const { block, blockBytes } = weightFormats[type];
  return (elements / block) * blockBytes;
}
