/** What second derivatives through maximum pooling need: values at the places where another array has its maxima. */
import type { Pooling } from "./array.ts";
import type { ArrayValue } from "./array-builder.ts";
import type { ArrayMath } from "./array-math.ts";

/**
 * The element of `values` [N, H, W, C] where `x` has the first maximum of each window: [N, H', W', C]. The places of a window
 * are compared one after the other, each a strided slice of the whole image.
 */
export function chosenByMaximum(m: ArrayMath, op: Pooling, x: ArrayValue, values: ArrayValue): ArrayValue {
  const [images, height, width, channels] = x.type.shape as [number, number, number, number];
  const [top, bottom, left, right] = op.padding;
  const [down, across] = op.strides;
  const rows = Math.floor((height + top + bottom - op.size[0]) / down) + 1;
  const columns = Math.floor((width + left + right - op.size[1]) / across) + 1;
  const padded = (array: ArrayValue, value: number): ArrayValue =>
    m.pad(array, [0, top, left, 0], [0, bottom, right, 0], value);
  const [from, candidates] = [padded(x, Number.NEGATIVE_INFINITY), padded(values, 0)];
  const seen = (array: ArrayValue, row: number, column: number): ArrayValue =>
    m.slice(array, [0, row, column, 0], [images, rows, columns, channels], [1, down, across, 1]);
  let [best, chosen] = [seen(from, 0, 0), seen(candidates, 0, 0)];
  for (let place = 1; place < op.size[0] * op.size[1]; place++) {
    const [row, column] = [Math.floor(place / op.size[1]), place % op.size[1]];
    const here = seen(from, row, column);
    chosen = m.where(m.binary("lt", best, here), seen(candidates, row, column), chosen);
    best = m.binary("max", best, here);
  }
  return chosen;
}
