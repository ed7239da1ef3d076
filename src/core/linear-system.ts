/** Small dense systems of equations. */

interface Numbers {
  readonly length: number;
  [index: number]: number;
}

/** The solution of a symmetric positive definite system, by elimination without pivots; both arguments are used up. */
export function solvePositive<V extends Numbers>(matrix: readonly Numbers[], right: V): V {
  const n = right.length;
  for (let k = 0; k < n; k++) {
    for (let i = k + 1; i < n; i++) {
      const factor = matrix[i]![k]! / matrix[k]![k]!;
      for (let j = k; j < n; j++) matrix[i]![j]! -= factor * matrix[k]![j]!;
      right[i]! -= factor * right[k]!;
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) right[i]! -= matrix[i]![j]! * right[j]!;
    right[i]! /= matrix[i]![i]!;
  }
  return right;
}
