/**
 * The least value of a smooth function of a few variables between bounds: L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995; version 3.0).
 *
 *     gradient ──► bottom along its path, bent at the bounds ──► bottom over what is free there ──► line search ──► next x
 *
 * The Hessian's estimate comes from the last ten steps. With few variables it is kept as a matrix, where the published code keeps
 * the steps themselves: both are the same numbers but for rounding.
 */
import { stepAlong } from "./line-search.ts";
import { solvePositive } from "./linear-system.ts";

export interface BoundedProblem {
  readonly from: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** The value at `x`; writes its gradient. */
  valueAt(x: Float64Array, gradient: Float64Array): number;
}

const remembered = 10;
const stepsMax = 15_000;
/** It ends when a step gains less than this of the value, or the projected gradient is below `flat`. */
const leastGain = 2.220446049250313e-9;
const flat = 1e-5;

interface Pair {
  readonly moved: Float64Array;
  readonly changed: Float64Array;
}

/** A local minimum within the bounds; variables whose bounds are equal stay where they are. */
export function minimiseBounded(problem: BoundedProblem): Float64Array {
  const { from, low, high, valueAt } = problem;
  const n = from.length;
  const clip = (value: number, i: number): number => Math.min(high[i]!, Math.max(low[i]!, value));
  let x: Float64Array = Float64Array.from(from, clip);
  let gradient: Float64Array = new Float64Array(n);
  let value = valueAt(x, gradient);
  let pairs: Pair[] = [];
  for (let step = 0; step < stepsMax && !(steepest(problem, x, gradient) <= flat); ) {
    const hessian = hessianOf(pairs, n);
    const target = cauchyPoint(problem, x, gradient, hessian);
    if (pairs.length > 0) subspaceMinimum(problem, x, gradient, hessian, target);
    const direction = difference(target.point, x);
    const found = searchLine(problem, x, gradient, value, direction, step === 0);
    if (found === undefined) {
      // What was remembered misled: once more along the gradient, unless it was that already.
      if (pairs.length === 0) break;
      pairs = [];
      continue;
    }
    step++;
    const gained = value - found.value;
    const moved = direction.map((d) => d * found.length);
    const changed = difference(found.gradient, gradient);
    const promised = -dot(gradient, moved);
    const scale = Math.max(Math.abs(value), Math.abs(found.value), 1);
    ({ x, gradient, value } = found);
    if (gained <= leastGain * scale) break;
    if (dot(moved, changed) > Number.EPSILON * promised) pairs = [...pairs, { moved, changed }].slice(-remembered);
  }
  return x;
}

/** The largest part of the gradient that bounds leave to descend. */
function steepest({ low, high }: BoundedProblem, x: Float64Array, gradient: Float64Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const g = gradient[i]!;
    most = Math.max(most, Math.abs(g < 0 ? Math.max(x[i]! - high[i]!, g) : Math.min(x[i]! - low[i]!, g)));
  }
  return most;
}

interface Found {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly value: number;
  readonly length: number;
}

function searchLine(
  { low, high, valueAt }: BoundedProblem,
  x: Float64Array,
  gradient: Float64Array,
  value: number,
  direction: Float64Array,
  first: boolean,
): Found | undefined {
  const slope = dot(gradient, direction);
  if (!(slope < 0)) return undefined;
  let stepMax = first ? 1 : 1e10;
  for (let i = 0; !first && i < x.length; i++) {
    const d = direction[i]!;
    const room = d < 0 ? low[i]! - x[i]! : high[i]! - x[i]!;
    if (d !== 0 && Number.isFinite(room)) stepMax = room * d <= 0 ? 0 : Math.min(stepMax, room / d);
  }
  let last: Found | undefined;
  const at = (length: number): Found => {
    const next = new Float64Array(x.length);
    for (let i = 0; i < next.length; i++)
      next[i] = Math.min(high[i]!, Math.max(low[i]!, x[i]! + length * direction[i]!));
    const nextGradient = new Float64Array(x.length);
    last = { x: next, gradient: nextGradient, value: valueAt(next, nextGradient), length };
    return last;
  };
  const stepFirst = first ? Math.min(1 / Math.sqrt(dot(direction, direction)), stepMax) : Math.min(1, stepMax);
  const length = stepAlong({
    ...{ value, slope, stepFirst, stepMax },
    at: (step) => {
      const found = at(step);
      return { value: found.value, slope: dot(found.gradient, direction) };
    },
  });
  return length === undefined ? undefined : last!.length === length ? last : at(length);
}

/** The first bottom of the quadratic model along the path of steepest descent, and which variables it leaves free. */
interface Target {
  readonly point: Float64Array;
  readonly free: readonly number[];
}

function cauchyPoint(
  { low, high }: BoundedProblem,
  x: Float64Array,
  gradient: Float64Array,
  hessian: readonly Float64Array[],
): Target {
  const point = x.slice();
  const path = new Float64Array(x.length);
  const breaks: { readonly i: number; readonly bound: number; readonly at: number }[] = [];
  const free: number[] = [];
  for (let i = 0; i < x.length; i++) {
    const g = gradient[i]!;
    if (low[i] === high[i] || (g >= 0 && x[i]! <= low[i]!) || (g <= 0 && x[i]! >= high[i]!)) continue;
    free.push(i);
    path[i] = -g;
    const bound = g > 0 ? low[i]! : high[i]!;
    const at = (bound - x[i]!) / -g;
    if (Number.isFinite(at)) breaks.push({ i, bound, at });
  }
  breaks.sort((one, other) => one.at - other.at);
  let passed = 0;
  let bendFirst: number | undefined;
  for (let next = 0; ; next++) {
    const mapped = product(hessian, path);
    const slope = dot(gradient, path) + dot(mapped, difference(point, x));
    bendFirst ??= dot(path, mapped);
    const bend = Math.max(dot(path, mapped), Number.EPSILON * bendFirst);
    const further = slope < 0 ? -slope / bend : 0;
    const stop = breaks[next];
    if (stop === undefined || further < stop.at - passed) {
      for (let i = 0; i < x.length; i++) if (path[i] !== 0) point[i] = x[i]! + (passed + further) * path[i]!;
      break;
    }
    for (let i = 0; i < x.length; i++) if (path[i] !== 0) point[i] = x[i]! + stop.at * path[i]!;
    passed = stop.at;
    point[stop.i] = stop.bound;
    path[stop.i] = 0;
    free.splice(free.indexOf(stop.i), 1);
    if (path.every((d) => d === 0)) break;
  }
  return { point, free };
}

/** Moves the target to the quadratic model's bottom over what is free, pulled back between the bounds. */
function subspaceMinimum(
  { low, high }: BoundedProblem,
  x: Float64Array,
  gradient: Float64Array,
  hessian: readonly Float64Array[],
  { point, free }: Target,
): void {
  if (free.length === 0) return;
  const slope = product(hessian, difference(point, x));
  const right = new Float64Array(free.length);
  const matrix = free.map((i, k) => {
    right[k] = -(slope[i]! + gradient[i]!);
    const row = new Float64Array(free.length);
    for (let j = 0; j < row.length; j++) row[j] = hessian[i]![free[j]!]!;
    return row;
  });
  const move = solvePositive(matrix, right);
  const from = point.slice();
  for (const [k, i] of free.entries()) point[i] = Math.min(high[i]!, Math.max(low[i]!, from[i]! + move[k]!));
  const cut = free.some((i, k) => point[i] !== from[i]! + move[k]!);
  if (!cut || dot(gradient, difference(point, x)) <= 0) return;
  // Pulled back one by one it would climb: instead as far as the first bound.
  let length = 1;
  for (const [k, i] of free.entries()) {
    const room = (move[k]! < 0 ? low[i]! : high[i]!) - from[i]!;
    if (move[k] !== 0 && Number.isFinite(room)) length = Math.min(length, room / move[k]!);
  }
  for (const [k, i] of free.entries()) point[i] = from[i]! + length * move[k]!;
}

/** BFGS from a multiple of the identity, over the remembered steps. */
function hessianOf(pairs: readonly Pair[], n: number): Float64Array[] {
  const last = pairs.at(-1);
  const scale = last === undefined ? 1 : dot(last.changed, last.changed) / dot(last.moved, last.changed);
  const matrix: Float64Array[] = [];
  for (let i = 0; i < n; i++) {
    const row = new Float64Array(n);
    row[i] = scale;
    matrix.push(row);
  }
  for (const { moved, changed } of pairs) {
    const mapped = product(matrix, moved);
    const before = dot(moved, mapped);
    const after = dot(moved, changed);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        matrix[i]![j]! += (changed[i]! * changed[j]!) / after - (mapped[i]! * mapped[j]!) / before;
      }
    }
  }
  return matrix;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function product(matrix: readonly Float64Array[], vector: Float64Array): Float64Array {
  const found = new Float64Array(vector.length);
  for (let i = 0; i < found.length; i++) found[i] = dot(matrix[i]!, vector);
  return found;
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  const found = new Float64Array(a.length);
  for (let i = 0; i < found.length; i++) found[i] = a[i]! - b[i]!;
  return found;
}
