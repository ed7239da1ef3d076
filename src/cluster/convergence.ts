/**
 * What Optimus learns of a job while it trains (EuroSys 2018, §3): when its loss will have converged, and how fast it goes on so many
 * GPUs. Both are least squares with coefficients that are not negative, over what the job reported.
 *
 *     loss(k) = 1 / (β0·k + β1) + β2            seconds of a unit of work = θ0 / w + θ1 + θ2·w
 */
import { leastSquaresNonNegative } from "../core/nnls.ts";

/** Work done, in the job's own unit, and the loss there. */
export interface LossPoint {
  readonly done: number;
  readonly loss: number;
}

export interface LossCurve {
  readonly falls: number;
  readonly first: number;
  readonly floor: number;
}

const floors = 24;

/** Undefined until three points that fall are there. */
export function fitLoss(points: readonly LossPoint[]): LossCurve | undefined {
  if (points.length < 3) return undefined;
  const most = points.reduce((n, { loss }) => Math.max(n, loss), 0);
  const furthest = points.reduce((n, { done }) => Math.max(n, done), 0);
  const least = points.reduce((n, { loss }) => Math.min(n, loss), Number.POSITIVE_INFINITY);
  if (!(furthest > 0 && most > 0)) return undefined;
  // The loss over its largest value, and work over the furthest, so that no column outweighs another.
  const scaled = points.map(({ done, loss }) => ({ done: done / furthest, loss: loss / most }));
  let best: (LossCurve & { readonly misfit: number }) | undefined;
  const consider = (floor: number): void => {
    const curve = withFloor(scaled, floor);
    if (curve.falls > 0 && curve.misfit < (best?.misfit ?? Number.POSITIVE_INFINITY)) best = curve;
  };
  let [low, high] = [0, (0.999 * least) / most];
  // The floor is not linear: what fits best of many, then of many about that.
  for (let pass = 0; pass < 3; pass++) {
    for (let i = 0; i <= floors; i++) consider(low + ((high - low) * i) / floors);
    if (best === undefined) return undefined;
    const [at, width] = [best.floor, (high - low) / floors];
    [low, high] = [Math.max(0, at - width), Math.min((0.999 * least) / most, at + width)];
  }
  if (best === undefined) return undefined;
  return { falls: best.falls / furthest / most, first: best.first / most, floor: best.floor * most };
}

/** 1 / (loss − floor) is linear in work; a point weighs as much as its own error does there. */
function withFloor(points: readonly LossPoint[], floor: number): LossCurve & { readonly misfit: number } {
  const weights = points.map(({ loss }) => (loss - floor) ** 2);
  const [falls = 0, first = 0] = leastSquaresNonNegative(
    points.map(({ done }, i) => [weights[i]! * done, weights[i]!]),
    points.map(({ loss }) => loss - floor),
  );
  const misfit = points.reduce((sum, { done, loss }) => sum + (1 / (falls * done + first) + floor - loss) ** 2, 0);
  return { falls, first, floor, misfit };
}

/** Work in whole after which the loss falls by no more than `slope` a unit of work. */
export function convergesAt({ falls, first }: LossCurve, slope: number): number {
  return Math.max(0, (Math.sqrt(falls / slope) - first) / falls);
}

/** Units of work a second on so many GPUs. */
export interface SpeedPoint {
  readonly gpus: number;
  readonly rate: number;
}

export type SpeedModel = (gpus: number) => number;

/** Undefined until the job's speed is known on a size at least. */
export function fitSpeed(points: readonly SpeedPoint[]): SpeedModel | undefined {
  const known = points.filter(({ rate }) => rate > 0);
  if (known.length === 0) return undefined;
  // Each row over its own seconds: relative errors count.
  const [parted = 0, fixed = 0, each = 0] = leastSquaresNonNegative(
    known.map(({ gpus, rate }) => [rate / gpus, rate, rate * gpus]),
    known.map(() => 1),
  );
  return (gpus) => 1 / (parted / gpus + fixed + each * gpus);
}
