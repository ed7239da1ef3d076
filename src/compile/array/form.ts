/** Places in arrays as sums over loops: what movement of data becomes when nothing is moved. */

/** offset + Σ terms[j] · (value of loop j). */
export interface Form {
  readonly offset: number;
  readonly terms: readonly number[];
}

/** A loop that must become two, the inner one of extent `inner`, before a form can be divided. */
export interface Split {
  readonly loop: number;
  readonly inner: number;
}

export const constantForm = (offset: number, loops: number): Form => ({ offset, terms: new Array(loops).fill(0) });

/** Σ factors[i] · forms[i] + offset. */
export function combine(forms: readonly Form[], factors: readonly number[], loops: number, offset = 0): Form {
  const terms = new Array<number>(loops).fill(0);
  let at = offset;
  for (const [i, form] of forms.entries()) {
    const factor = factors[i]!;
    if (factor === 0) continue;
    at += form.offset * factor;
    for (const [j, term] of form.terms.entries()) terms[j]! += term * factor;
  }
  return { offset: at, terms };
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** The row-major place of an element of `shape` at `coordinates`. */
export const linear = (coordinates: readonly Form[], shape: readonly number[], loops: number): Form =>
  combine(coordinates, stridesOf(shape), loops);

/**
 * The coordinates in `shape` of the element at row-major place `form`: a split that must come first, or undefined where no
 * splitting of loops makes them sums over loops.
 */
export function coordinatesOf(
  form: Form,
  shape: readonly number[],
  extents: readonly number[],
): { readonly coordinates: readonly Form[] } | { readonly split: Split } | undefined {
  const coordinates: Form[] = [];
  let rest = form;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis]!;
    if (extent === 1) {
      coordinates.unshift(constantForm(0, extents.length));
      continue;
    }
    if (shape.slice(0, axis).every((d) => d === 1)) {
      coordinates.unshift(rest);
      rest = constantForm(0, extents.length);
      continue;
    }
    const divided = divide(rest, extent, extents);
    if (divided === undefined || "split" in divided) return divided;
    coordinates.unshift(divided.remainder);
    rest = divided.quotient;
  }
  return { coordinates };
}

function divide(
  { offset, terms }: Form,
  by: number,
  extents: readonly number[],
): { readonly quotient: Form; readonly remainder: Form } | { readonly split: Split } | undefined {
  const whole = terms.map((t) => t % by === 0);
  let [least, most] = [0, 0];
  for (const [j, t] of terms.entries()) {
    if (whole[j]) continue;
    const reach = t * (extents[j]! - 1);
    if (reach < 0) least += reach;
    else most += reach;
  }
  const low = ((offset % by) + by) % by;
  if (low + least >= 0 && low + most < by) {
    const quotient = { offset: (offset - low) / by, terms: terms.map((t, j) => (whole[j] ? t / by : 0)) };
    return { quotient, remainder: { offset: low, terms: terms.map((t, j) => (whole[j] ? 0 : t)) } };
  }
  for (const [loop, t] of terms.entries()) {
    const step = Math.abs(t);
    if (whole[loop] || by % step !== 0) continue;
    const inner = by / step;
    if (inner < extents[loop]! && extents[loop]! % inner === 0) return { split: { loop, inner } };
  }
  return undefined;
}
