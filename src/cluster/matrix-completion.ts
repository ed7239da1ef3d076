/**
 * The entries of a matrix that nobody measured, from those that somebody did: as a product of two thin factors, each fitted to the
 * other in turn by least squares with a penalty on its size (probabilistic matrix factorisation: Mnih, Salakhutdinov, NIPS 2007).
 */
import { solvePositive } from "../core/linear-system.ts";
import { type Random, stream } from "../core/random.ts";

export interface Completion {
  /** Width of the factors. */
  readonly rank: number;
  /** Penalty on their squares. */
  readonly penalty: number;
  readonly sweeps: number;
}

/** `known` [rows, columns], `undefined` where nothing was measured. Returns every entry; those that are known, as they are. */
export function completed(
  known: readonly (readonly (number | undefined)[])[],
  { rank, penalty, sweeps }: Completion,
): number[][] {
  const width = known[0]?.length ?? 0;
  const random = stream(0x3a7c);
  const left = known.map(() => factor(rank, random));
  const right = Array.from({ length: width }, () => factor(rank, random));
  const byColumn = right.map((_, j) => known.map((row) => row[j]));
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const [i, row] of known.entries()) left[i] = fitted(row, right, rank, penalty);
    for (const [j, column] of byColumn.entries()) right[j] = fitted(column, left, rank, penalty);
  }
  return known.map((row, i) => row.map((value, j) => value ?? product(left[i]!, right[j]!)));
}

const factor = (rank: number, random: Random): number[] => Array.from({ length: rank }, () => random());

const product = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, l) => sum + x * b[l]!, 0);

/** The factor of one row (or column) that is nearest to what is known of it: (Σ vvᵀ + penalty) u = Σ value v. */
function fitted(
  values: readonly (number | undefined)[],
  others: readonly (readonly number[])[],
  rank: number,
  penalty: number,
): number[] {
  const a = Array.from({ length: rank }, (_, l) => Array.from({ length: rank }, (_, c) => (l === c ? penalty : 0)));
  const b = new Array<number>(rank).fill(0);
  for (const [j, value] of values.entries()) {
    if (value === undefined) continue;
    const v = others[j]!;
    for (let l = 0; l < rank; l++) {
      b[l]! += value * v[l]!;
      for (let c = 0; c < rank; c++) a[l]![c]! += v[l]! * v[c]!;
    }
  }
  return solvePositive(a, b);
}
