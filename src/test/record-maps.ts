/** Functions of records for tests of loaders: windows of tokens, weights drawn at random, and one that fails. */
import { draw } from "../core/random.ts";
import type { RecordMap } from "../data/fields.ts";
import { createMaps as createWindows, type TokenWindows } from "../data/token-windows.ts";

export const url = import.meta.url;

export function createMaps(configuration: TokenWindows): Readonly<Record<string, RecordMap>> {
  return {
    ...createWindows(configuration),
    noise: (fields, { index, epoch, seed }) => ({
      ...fields,
      weights: Float32Array.from({ length: configuration.length }, (_, i) => draw(seed, epoch, index, i)),
    }),
    broken: (_, { index }) => {
      throw new Error(`record ${index} is broken`);
    },
  };
}
