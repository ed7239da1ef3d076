/** Operations that move elements: shapes, orders, parts, joins, and elements by index. */
import { sizeOf } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import { computeOne } from "./compute.ts";
import { cast } from "./elements.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

/** An axis counted from the end where it is negative. */
export function axisOf(name: string, { shape, signature }: Pick<Tensor, "shape" | "signature">, axis: number): number {
  const index = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(index) && index >= 0 && index < shape.length) return index;
  return refuse(`${name} over ${signature}`, `there is no axis ${axis}.`);
}

/** The same elements under another shape, of which one extent may be -1: what is left. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const size = sizeOf(x.shape);
  const whole = shape.map((d) => (d === -1 ? size / known : d));
  const isFit = sizeOf(whole) === size && whole.every(Number.isInteger) && shape.filter((d) => d === -1).length < 2;
  if (!isFit) refuse(`reshape over ${x.signature}`, `[${shape}] has not the same number of elements, ${size}.`);
  if (`${whole}` === `${x.shape}`) return x;
  return computeOne({ name: "reshape", key: `reshape [${whole}]`, build: (m, [v]) => [m.reshape(v!, whole)] }, x);
}

/** Axis i of the result is axis `order[i]`. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((axis) => axisOf("permute", x, axis));
  if (new Set(axes).size !== x.shape.length || axes.length !== x.shape.length)
    refuse(`permute over ${x.signature}`, `[${order}] is no order of ${x.shape.length} axes.`);
  return computeOne({ name: "permute", key: `permute [${axes}]`, build: (m, [v]) => [m.transpose(v!, axes)] }, x);
}

/** Two axes change places. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const [from, to] = [axisOf("transpose", x, a), axisOf("transpose", x, b)];
  const order = x.shape.map((_, i) => (i === from ? to : i === to ? from : i));
  return permute(x, order);
}

/** Repeats what has extent 1 or no axis. */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  const missing = shape.length - x.shape.length;
  if (missing < 0 || x.shape.some((d, i) => d !== 1 && d !== shape[missing + i]))
    refuse(`broadcastTo over ${x.signature}`, `it does not repeat to [${shape}].`);
  return computeOne(
    { name: "broadcastTo", key: `broadcastTo [${shape}]`, build: (m, [v]) => [m.broadcast(v!, shape)] },
    x,
  );
}

export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.shape.length + 1 : axis;
  if (at < 0 || at > x.shape.length) refuse(`unsqueeze over ${x.signature}`, `no axis can be put at ${axis}.`);
  return reshape(x, x.shape.toSpliced(at, 0, 1));
}

/** Without `axis`, whose extent is 1; without any such where none is named. */
export function squeeze(x: Tensor, axis?: number): Tensor {
  if (axis === undefined)
    return reshape(
      x,
      x.shape.filter((d) => d !== 1),
    );
  const at = axisOf("squeeze", x, axis);
  return x.shape[at] === 1 ? reshape(x, x.shape.toSpliced(at, 1)) : x;
}

export function flatten(x: Tensor, from = 0, to = -1): Tensor {
  if (x.shape.length === 0) return reshape(x, [1]);
  const [first, last] = [axisOf("flatten", x, from), axisOf("flatten", x, to)];
  return reshape(x, [...x.shape.slice(0, first), sizeOf(x.shape.slice(first, last + 1)), ...x.shape.slice(last + 1)]);
}

/** Elements `start`, `start + step`, … below `end` along an axis; bounds count from the end where they are negative. */
export function slice(x: Tensor, axis: number, start: number, end?: number, step = 1): Tensor {
  const at = axisOf("slice", x, axis);
  const extent = x.shape[at]!;
  const bound = (i: number): number => Math.min(extent, Math.max(0, i < 0 ? i + extent : i));
  const [from, to] = [bound(start), bound(end ?? extent)];
  if (!Number.isInteger(step) || step < 1) refuse(`slice over ${x.signature}`, `a step of ${step} is not 1 or more.`);
  const starts = x.shape.map(() => 0).with(at, from);
  const shape = x.shape.with(at, Math.max(0, Math.ceil((to - from) / step)));
  const steps = x.shape.map(() => 1).with(at, step);
  return computeOne(
    {
      name: "slice",
      key: `slice [${starts}] [${shape}] [${steps}]`,
      build: (m, [v]) => [m.slice(v!, starts, shape, steps)],
    },
    x,
  );
}

/** Element `i` along an axis, which goes. */
export function select(x: Tensor, axis: number, i: number): Tensor {
  const at = axisOf("select", x, axis);
  const index = i < 0 ? i + x.shape[at]! : i;
  if (!(index >= 0 && index < x.shape[at]!)) refuse(`select over ${x.signature}`, `axis ${at} has no element ${i}.`);
  return squeeze(slice(x, at, index, index + 1), at);
}

/** A number selects, a pair [start, end] or triple with a step slices, `null` takes an axis whole. */
export type Index = number | readonly [number, number?, number?] | null;

/** `x[i, 2:4, :]` is `x.index(i, [2, 4], null)`. */
export function index(x: Tensor, ...indices: readonly Index[]): Tensor {
  let result = x;
  let axis = 0;
  for (const i of indices) {
    if (typeof i === "number") result = select(result, axis, i);
    else if (i !== null) result = slice(result, axis++, i[0], i[1], i[2]);
    else axis++;
  }
  return result;
}

/** `value` before and after along each axis: pairs [before, after], one for each axis. */
export function pad(x: Tensor, pads: readonly (readonly [number, number])[], value = 0): Tensor {
  if (pads.length !== x.shape.length)
    refuse(`pad over ${x.signature}`, `${pads.length} pairs are not one for each axis.`);
  const [low, high] = [pads.map(([p]) => p), pads.map(([, p]) => p)];
  return computeOne(
    { name: "pad", key: `pad [${low}] [${high}] ${value}`, build: (m, [v]) => [m.pad(v!, low, high, value)] },
    x,
  );
}

export function flip(x: Tensor, ...axes: readonly number[]): Tensor {
  const at = axes.map((axis) => axisOf("flip", x, axis));
  return computeOne({ name: "flip", key: `flip [${at}]`, build: (m, [v]) => [m.flip(v!, at)] }, x);
}

/** Joined along an axis; the other extents are equal. */
export function cat(parts: readonly Tensor[], axis = 0): Tensor {
  if (parts.length === 0) refuse("cat over nothing", "there is nothing to join.");
  const at = axisOf("cat", parts[0]!, axis);
  return computeOne({ name: "cat", key: `cat ${at}`, build: (m, values) => [m.concat(values, at)] }, ...parts);
}

/** Along a new axis. */
export const stack = (parts: readonly Tensor[], axis = 0): Tensor =>
  cat(
    parts.map((t) => unsqueeze(t, axis)),
    axis,
  );

/** Parts of `size` along an axis, the last one what is left. */
export function split(x: Tensor, size: number, axis = 0): Tensor[] {
  const at = axisOf("split", x, axis);
  return Array.from({ length: Math.ceil(x.shape[at]! / size) }, (_, i) => slice(x, at, i * size, (i + 1) * size));
}

/** Equal parts along an axis, as nearly as can be. */
export const chunk = (x: Tensor, count: number, axis = 0): Tensor[] =>
  split(x, Math.ceil(x.shape[axisOf("chunk", x, axis)]! / count), axis);

function whole(name: string, indices: Tensor): Tensor {
  if (indices.dtype === "i32") return indices;
  return refuse(`${name} by ${indices.signature}`, "indices are i32.", "Use .to('i32').");
}

/** The parts of `x` along `axis` that i32 `indices` name, whose axes take its place. */
export function take(x: Tensor, indices: Tensor, axis = 0): Tensor {
  const at = axisOf("take", x, axis);
  const rest = x.shape.map((_, i) => i).filter((i) => i !== at);
  const order = [at, ...rest];
  const rank = indices.shape.length;
  // The indices' axes come first: they go back to where the axis was.
  const back = [
    ...rest.slice(0, at).map((_, i) => rank + i),
    ...indices.shape.map((_, i) => i),
    ...rest.slice(at).map((_, i) => rank + at + i),
  ];
  return computeOne(
    {
      name: "take",
      key: `take ${at}`,
      build: (m, [v, i]) => [m.transpose(m.take(m.transpose(v!, order), i!), back)],
    },
    x,
    whole("take", indices),
  );
}

/** As PyTorch: result[i][j] = x[i][indices[i][j]] for the last of two axes, and so for any axis of any rank. */
export function gather(x: Tensor, axis: number, indices: Tensor): Tensor {
  const at = axisOf("gather", x, axis);
  const fits = indices.shape.length === x.shape.length && indices.shape.every((d, i) => i === at || d <= x.shape[i]!);
  if (!fits)
    refuse(`gather over ${x.signature} by ${indices.signature}`, "the indices must lie within the other axes.");
  const stride = (i: number): number => sizeOf(x.shape.slice(i + 1));
  return computeOne(
    {
      name: "gather",
      key: `gather ${at}`,
      build: (m, [v, i]) => {
        const { shape } = i!.type;
        const place = shape.reduce(
          (sum: ArrayValue, _, axis) =>
            axis === at ? sum : m.add(sum, m.mul(m.iota(shape, axis, "i32"), stride(axis))),
          m.mul(i!, stride(at)),
        );
        return [m.take(m.reshape(v!, [sizeOf(x.shape)]), place)];
      },
    },
    x,
    whole("gather", indices),
  );
}

/** f32 [..., classes]: 1 at each index. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  const shape = [...indices.shape, classes];
  return computeOne(
    {
      name: "oneHot",
      key: `oneHot ${classes}`,
      build: (m, [i]) => {
        const wide = m.expand(m.reshape(i!, [...i!.type.shape, 1]), shape);
        return [m.binary("eq", wide, m.iota(shape, shape.length - 1, "i32"))];
      },
    },
    whole("oneHot", indices),
  );
}

/** 0 above (`upper` false) or below the diagonal that is `diagonal` to the right of the main one, of the last two axes. */
function triangle(x: Tensor, diagonal: number, upper: boolean): Tensor {
  return computeOne(
    {
      name: upper ? "triu" : "tril",
      key: `triangle ${diagonal} ${upper}`,
      build: (m, [v]) => {
        const { shape } = v!.type;
        const [row, column] = [m.iota(shape, shape.length - 2), m.iota(shape, shape.length - 1)];
        const limit = m.add(row, diagonal);
        const keep = upper ? m.binary("le", limit, column) : m.binary("le", column, limit);
        return [m.where(keep, v!, m.fill(v!, 0))];
      },
    },
    x,
  );
}

export const tril = (x: Tensor, diagonal = 0): Tensor => triangle(cast(x, "f32"), diagonal, false);
export const triu = (x: Tensor, diagonal = 0): Tensor => triangle(cast(x, "f32"), diagonal, true);
