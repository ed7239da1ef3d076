/** Records that lie in a store: reading one keeps a thread waiting, as a disk or a network does, and decoding it computes. */
import type { RecordMap } from "../data/fields.ts";

export interface StoredRecords {
  readonly readSeconds: number;
  /** Of each record, computed `rounds` times from its place. */
  readonly elements: number;
  readonly rounds: number;
}

export const url = import.meta.url;

export function createMaps({ readSeconds, elements, rounds }: StoredRecords): Readonly<Record<string, RecordMap>> {
  const still = new Int32Array(new SharedArrayBuffer(4));
  return {
    read: (_, { index }) => {
      if (readSeconds > 0) Atomics.wait(still, 0, 0, 1e3 * readSeconds);
      return { stored: Int32Array.of(index) };
    },
    decode: ({ stored }) => {
      const values = new Float32Array(elements).fill(stored![0]!);
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < elements; i++) values[i] = Math.sqrt(values[i]! + i);
      }
      return { values };
    },
  };
}
