/** Windows of a long run of tokens, as records for training a language model. */
import type { Fields, RecordMap } from "./fields.ts";

export interface TokenWindows {
  /** All tokens, in memory that threads share. */
  readonly tokens: Int32Array;
  /** Tokens of a window; record i begins at token i · length. */
  readonly length: number;
  /** How much each token counts as a target; 1 where it is left out. */
  readonly weights?: Float32Array;
}

export const url = import.meta.url;

/** Windows that fit, each with one token more behind it. */
export const windowsIn = (tokens: number, length: number): number => Math.max(0, Math.floor((tokens - 1) / length));

/** `windows`: the tokens of a record, what follows each of them, and how much that counts, [length] each. */
export function createMaps(configuration: TokenWindows): Readonly<Record<string, RecordMap>> {
  const { tokens, length, weights } = configuration;
  return {
    windows: (_, { index }): Fields => {
      const from = index * length;
      return {
        tokens: tokens.slice(from, from + length),
        targets: tokens.slice(from + 1, from + 1 + length),
        weights: weights?.slice(from + 1, from + 1 + length) ?? new Float32Array(length).fill(1),
      };
    },
  };
}
