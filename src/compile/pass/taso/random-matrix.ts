/** Matrices of residues to try graphs on: the same seed gives the same matrix. */
import { stream } from "../../../core/random.ts";
import { type Matrix, prime } from "./algebra.ts";

/** `cutAt`: where its columns count as put together. */
export function randomMatrix(rows: number, columns: number, cutAt: number | undefined, ...seed: number[]): Matrix {
  const random = stream(...seed);
  const data = Int32Array.from({ length: rows * columns }, () => Math.floor(random() * prime));
  const cut = cutAt === undefined ? undefined : { at: cutAt, low: undefined, high: undefined };
  return { rows, columns, data, cuts: [undefined, cut] };
}

/** Equal for equal matrices, and hardly ever else. */
export function fingerprint({ rows, columns, data }: Matrix): string {
  let [h, g] = [rows * 31 + columns, 7];
  for (const x of data) {
    h = Math.imul(h ^ x, 0x01000193);
    g = Math.imul(g + x, 0x9e3779b1) ^ (g >>> 13);
  }
  return `${h}.${g}`;
}
