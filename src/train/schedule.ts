/** Learning rates by step: a linear warm-up, then constant, a straight line, or half a cosine, down to a last value. */
export interface Schedule {
  readonly kind: "constant" | "linear" | "cosine";
  readonly peak: number;
  /** At the last step; of the two that fall. */
  readonly last: number;
  readonly warmup: number;
  readonly steps: number;
  /** Steps after which all begins again, warm-up included (SGDR, arXiv 1608.03983); rising, below `steps`. */
  readonly restarts?: readonly number[];
}

/** Of step `number`, from 1 on; the peak is reached at step `warmup`, or at the first. */
export function learningRate({ kind, peak, last, warmup, steps, restarts = [] }: Schedule, number: number): number {
  const began = restarts.findLast((restart) => restart < number) ?? 0;
  const ends = restarts.find((restart) => restart >= number) ?? steps;
  const at = number - began;
  if (at < warmup) return (peak * at) / warmup;
  const done = Math.min(1, (at - warmup) / Math.max(1, ends - began - warmup));
  if (kind === "constant") return peak;
  const share = kind === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
  return last + (peak - last) * share;
}
