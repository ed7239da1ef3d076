/** Learning rates by step: a linear warm-up, then constant, a straight line, or half a cosine, down to a last value. */
export interface Schedule {
  readonly kind: "constant" | "linear" | "cosine";
  readonly peak: number;
  /** At the last step; of the two that fall. */
  readonly last: number;
  readonly warmup: number;
  readonly steps: number;
}

/** Of step `number`, from 1 on; the peak is reached at step `warmup`, or at the first. */
export function learningRate({ kind, peak, last, warmup, steps }: Schedule, number: number): number {
  if (number < warmup) return (peak * number) / warmup;
  const done = Math.min(1, (number - warmup) / Math.max(1, steps - warmup));
  if (kind === "constant") return peak;
  const share = kind === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
  return last + (peak - last) * share;
}
