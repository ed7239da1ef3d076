/** Learning rates by step, counted from 1: pure functions, given as an optimizer's `lr`. */

export const constant =
  (rate: number): ((step: number) => number) =>
  () =>
    rate;

/** From `rate` at the first step to `end` at step `steps`, then `end`. */
export const linear =
  (rate: number, steps: number, end = 0) =>
  (step: number): number =>
    rate + (end - rate) * Math.min(1, (step - 1) / Math.max(1, steps - 1));

export interface CosineOptions {
  /** Steps in which the rate rises linearly to `rate`. */
  readonly warmup?: number;
  readonly end?: number;
}

/** Up to `rate` over the warm-up, then half a cosine down to `end` at step `steps`. */
export const cosine =
  (rate: number, steps: number, { warmup = 0, end = 0 }: CosineOptions = {}) =>
  (step: number): number => {
    if (step <= warmup) return (rate * step) / warmup;
    const share = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return end + (rate - end) * 0.5 * (1 + Math.cos(Math.PI * share));
  };

/** Times `factor` after every `every` steps. */
export const stepwise =
  (rate: number, every: number, factor = 0.1) =>
  (step: number): number =>
    rate * factor ** Math.floor((step - 1) / every);
