/**
 * A step length that lowers a function enough along a line and leaves it flat enough (Moré and Thuente, 1994): an interval that
 * holds such a step is cut by cubics and parabolas through what was seen.
 */

/** Value and slope at a step. */
interface Seen {
  readonly step: number;
  readonly value: number;
  readonly slope: number;
}

export interface Line {
  /** The value and the slope at a step. */
  at(step: number): { readonly value: number; readonly slope: number };
  readonly value: number;
  /** Below 0. */
  readonly slope: number;
  readonly stepFirst: number;
  readonly stepMax: number;
}

/** What must be gained of what the slope at 0 promises. */
const gain = 1e-3;
/** What may be left of the slope at 0. */
const flatness = 0.9;
/** The interval's length, relative to its end, at which it cannot be cut further. */
const resolution = 0.1;
const triesMax = 20;

/** A step that will do, or the best there is where the interval or the bound leaves no other; undefined where `triesMax` find none. */
export function stepAlong(line: Line): number | undefined {
  const { stepMax } = line;
  const test = gain * line.slope;
  let best: Seen = { step: 0, value: line.value, slope: line.slope };
  let other = best;
  let bracketed = false;
  // Until a step has gained enough with a rising slope, cuts look at the function less the gain that is asked for.
  let modified = true;
  let width = stepMax;
  let widthBefore = 2 * width;
  let low = 0;
  let high = 5 * line.stepFirst;
  let step = line.stepFirst;
  for (let tries = 0; tries < triesMax; tries++) {
    const now: Seen = { step, ...line.at(step) };
    const enough = line.value + step * test;
    if (modified && now.value <= enough && now.slope >= 0) modified = false;
    const stuck = bracketed && (step <= low || step >= high || high - low <= resolution * high);
    const atBound =
      (step === stepMax && now.value <= enough && now.slope <= test) ||
      (step === 0 && (now.value > enough || now.slope >= test));
    const done = now.value <= enough && Math.abs(now.slope) <= flatness * -line.slope;
    if (done || stuck || atBound) return step;
    const shift = modified && now.value <= best.value && now.value > enough ? test : 0;
    const cut = nextCut(lowered(best, shift), lowered(other, shift), lowered(now, shift), bracketed, low, high);
    best = lowered(cut.best, -shift);
    other = lowered(cut.other, -shift);
    bracketed = cut.bracketed;
    step = cut.step;
    if (bracketed) {
      if (Math.abs(other.step - best.step) >= 0.66 * widthBefore) step = best.step + 0.5 * (other.step - best.step);
      widthBefore = width;
      width = Math.abs(other.step - best.step);
      low = Math.min(best.step, other.step);
      high = Math.max(best.step, other.step);
    } else {
      low = step + 1.1 * (step - best.step);
      high = step + 4 * (step - best.step);
    }
    step = Math.min(stepMax, Math.max(0, step));
    if (bracketed && (step <= low || step >= high || high - low <= resolution * high)) step = best.step;
  }
  return undefined;
}

const lowered = ({ step, value, slope }: Seen, by: number): Seen => ({
  step,
  value: value - step * by,
  slope: slope - by,
});

interface Cut {
  readonly best: Seen;
  readonly other: Seen;
  readonly bracketed: boolean;
  readonly step: number;
}

/** The next step to try, and the interval that holds a good one after `now`. */
function nextCut(best: Seen, other: Seen, now: Seen, bracketed: boolean, low: number, high: number): Cut {
  const far = now.step > best.step ? high : low;
  if (now.value > best.value) {
    const cubic = best.step + cubicBottom(best, now).at * (now.step - best.step);
    const drop = (best.value - now.value) / (now.step - best.step) + best.slope;
    const parabola = best.step + (best.slope / drop / 2) * (now.step - best.step);
    const near = Math.abs(cubic - best.step) < Math.abs(parabola - best.step);
    return { best, other: now, bracketed: true, step: near ? cubic : cubic + (parabola - cubic) / 2 };
  }
  const secant = now.step + (now.slope / (now.slope - best.slope)) * (best.step - now.step);
  if (now.slope * Math.sign(best.slope) < 0) {
    const cubic = now.step + cubicBottom(now, best).at * (best.step - now.step);
    const step = Math.abs(cubic - now.step) > Math.abs(secant - now.step) ? cubic : secant;
    return { best: now, other: best, bracketed: true, step };
  }
  if (Math.abs(now.slope) < Math.abs(best.slope)) {
    // The slope falls but does not turn: beyond `now`, no further than is safe.
    const { at, root } = cubicBottom(now, best);
    const cubic = at < 0 && root !== 0 ? now.step + at * (best.step - now.step) : far;
    const near = Math.abs(cubic - now.step) < Math.abs(secant - now.step);
    if (!bracketed) {
      const step = Math.min(high, Math.max(low, near ? secant : cubic));
      return { best: now, other, bracketed, step };
    }
    const edge = now.step + 0.66 * (other.step - now.step);
    const step = near ? cubic : secant;
    return { best: now, other, bracketed, step: now.step > best.step ? Math.min(edge, step) : Math.max(edge, step) };
  }
  const step = bracketed ? now.step + cubicBottom(now, other).at * (other.step - now.step) : far;
  return { best: now, other, bracketed, step };
}

/** Where the cubic through both has its bottom: 0 at `a`, 1 at `b`. `root` is 0 where it has none. */
function cubicBottom(a: Seen, b: Seen): { readonly at: number; readonly root: number } {
  const bend = (3 * (a.value - b.value)) / (b.step - a.step) + a.slope + b.slope;
  const scale = Math.max(Math.abs(bend), Math.abs(a.slope), Math.abs(b.slope));
  const inside = (bend / scale) ** 2 - (a.slope / scale) * (b.slope / scale);
  const root = Math.sign(b.step - a.step) * scale * Math.sqrt(Math.max(0, inside));
  return { at: (root - a.slope + bend) / (root - a.slope + root + b.slope), root };
}
