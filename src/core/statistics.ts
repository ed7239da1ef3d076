/** Statistics of samples. Each returns `undefined` for an empty sample: there is no mean of nothing. */
export function mean(xs: readonly number[]): number | undefined {
  return xs.length === 0 ? undefined : xs.reduce((a, b) => a + b, 0) / xs.length;
}

/** The `q`-quantile, 0 ≤ q ≤ 1, linear between the two nearest ranks. */
export function quantile(xs: readonly number[], q: number): number | undefined {
  if (xs.length === 0) return undefined;
  const sorted = xs.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

export const median = (xs: readonly number[]): number | undefined => quantile(xs, 0.5);
