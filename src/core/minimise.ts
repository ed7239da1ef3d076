/** The least value of a smooth function of a few variables between bounds: projected BFGS with backtracking. */

export interface BoundedProblem {
  readonly from: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** The value at `x`; writes its gradient. */
  valueAt(x: Float64Array, gradient: Float64Array): number;
}

const stepsMax = 500;

/** A local minimum within the bounds; variables whose bounds are equal stay where they are. */
export function minimiseBounded({ from, low, high, valueAt }: BoundedProblem): Float64Array {
  const n = from.length;
  const clip = (value: number, i: number): number => Math.min(high[i]!, Math.max(low[i]!, value));
  let x: Float64Array = Float64Array.from(from, clip);
  let gradient: Float64Array = new Float64Array(n);
  let value = valueAt(x, gradient);
  let inverse = identity(n);
  for (let step = 0; step < stepsMax; step++) {
    const free = Array.from(
      x,
      (at, i) => !(at <= low[i]! && gradient[i]! >= 0) && !(at >= high[i]! && gradient[i]! <= 0),
    );
    let direction = descent(inverse, gradient, free);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      inverse = identity(n);
      direction = descent(inverse, gradient, free);
      slope = dot(direction, gradient);
      if (!(slope < -1e-20)) break;
    }
    let found: { readonly x: Float64Array; readonly gradient: Float64Array; readonly value: number } | undefined;
    for (let length = 1, tries = 0; tries < 50 && found === undefined; length /= 2, tries++) {
      const next = x.map((at, i) => clip(at + length * direction[i]!, i));
      const nextGradient = new Float64Array(n);
      const nextValue = valueAt(next, nextGradient);
      const promised = dot(
        gradient,
        next.map((at, i) => at - x[i]!),
      );
      if (nextValue <= value + 1e-4 * promised && promised < 0)
        found = { x: next, gradient: nextGradient, value: nextValue };
    }
    if (found === undefined) break;
    update(
      inverse,
      found.x.map((at, i) => at - x[i]!),
      found.gradient.map((at, i) => at - gradient[i]!),
    );
    const gained = value - found.value;
    ({ x, gradient, value } = found);
    if (gained <= 1e-12 * Math.max(1, Math.abs(value))) break;
  }
  return x;
}

const identity = (n: number): Float64Array[] =>
  Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** The quasi-Newton direction over the variables that are free to move. */
function descent(inverse: readonly Float64Array[], gradient: Float64Array, free: readonly boolean[]): Float64Array {
  const direction = new Float64Array(gradient.length);
  for (let i = 0; i < direction.length; i++) {
    if (!free[i]!) continue;
    for (let j = 0; j < direction.length; j++) if (free[j]!) direction[i]! -= inverse[i]![j]! * gradient[j]!;
  }
  return direction;
}

/** BFGS's update of the inverse Hessian in place; left out where curvature is not positive. */
function update(inverse: readonly Float64Array[], moved: Float64Array, changed: Float64Array): void {
  const curvature = dot(moved, changed);
  if (!(curvature > 1e-300)) return;
  const mapped = Float64Array.from(inverse, (row) => dot(row, changed));
  const weight = (1 + dot(changed, mapped) / curvature) / curvature;
  for (const [i, row] of inverse.entries()) {
    for (let j = 0; j < row.length; j++) {
      row[j]! += weight * moved[i]! * moved[j]! - (mapped[i]! * moved[j]! + moved[i]! * mapped[j]!) / curvature;
    }
  }
}
