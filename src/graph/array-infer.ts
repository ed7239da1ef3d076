/** The typing rules of operations on arrays, one for each: a missing rule does not compile. */
import { UserError } from "../core/errors.ts";
import { type ArrayOp, type ArrayOpKind, type ArrayType, type Convolution, sizeOf, type Window } from "./array.ts";

type Fail = (why: string) => never;
type Rule<O extends ArrayOp> = (
  inputs: readonly ArrayType[],
  fail: Fail,
  declared: ArrayType | undefined,
  op: O,
) => ArrayType;

const rules: { readonly [K in ArrayOpKind]: Rule<Extract<ArrayOp, { kind: K }>> } = {
  input: declaredType,
  constant: declaredType,
  iota: (_, fail, declared, { axis }) => {
    const type = declared ?? fail("it needs a declared type");
    if (type.dtype === "bf16") fail("indices are f32 or i32");
    inRank(type, axis, fail);
    return type;
  },
  unary: ([x], fail, _, { fn }) => {
    if (x!.dtype === "i32" && !["neg", "abs", "sign", "square"].includes(fn)) fail(`${fn} takes f32 or bf16`);
    return x!;
  },
  binary: ([a, b], fail, _, { fn }) => {
    if (a!.dtype !== b!.dtype) fail("the types differ: cast one of them");
    if (!sameShape(a!, b!)) fail("the shapes differ: expand one of them");
    if (a!.dtype === "i32" && (fn === "div" || fn === "pow")) fail(`${fn} takes f32 or bf16`);
    return fn === "eq" || fn === "lt" || fn === "le" ? { dtype: "f32", shape: a!.shape } : a!;
  },
  where: ([condition, a, b], fail) => {
    if (condition?.dtype !== "f32") fail("the condition must be f32");
    if (a!.dtype !== b?.dtype) fail("the types of the two choices differ");
    if (!sameShape(a!, b!) || !sameShape(a!, condition!)) fail("the shapes differ: expand them");
    return a!;
  },
  cast: ([x], fail, declared) => {
    const type = declared ?? fail("it needs a declared type");
    if (!sameShape(x!, type)) fail(`a cast keeps the shape; [${type.shape}] was declared`);
    return type;
  },
  reshape: ([x], fail, declared) => {
    const type = declared ?? fail("it needs a declared type");
    if (sizeOf(x!.shape) !== sizeOf(type.shape)) fail(`[${type.shape}] has another number of elements`);
    return { dtype: x!.dtype, shape: type.shape };
  },
  transpose: ([x], fail, _, { order }) => {
    if (`${order.toSorted((a, b) => a - b)}` !== `${x!.shape.map((_, i) => i)}`)
      fail(`[${order}] is no order of ${x!.shape.length} axes`);
    return { dtype: x!.dtype, shape: order.map((axis) => x!.shape[axis]!) };
  },
  expand: ([x], fail, declared) => {
    const type = declared ?? fail("it needs a declared type");
    const fits = type.shape.length === x!.shape.length && x!.shape.every((d, i) => d === 1 || d === type.shape[i]);
    if (!fits) fail(`[${x!.shape}] does not repeat to [${type.shape}]`);
    return { dtype: x!.dtype, shape: type.shape };
  },
  slice: ([x], fail, declared, { starts, steps }) => {
    const type = declared ?? fail("it needs a declared type");
    ranks(x!, fail, starts, steps, type.shape);
    for (const [axis, extent] of x!.shape.entries()) {
      const [start, step, count] = [starts[axis]!, steps[axis]!, type.shape[axis]!];
      if (start < 0 || step < 1 || count < 0 || (count > 0 && start + (count - 1) * step >= extent))
        fail(`axis ${axis} has no ${count} elements from ${start} in steps of ${step}`);
    }
    return { dtype: x!.dtype, shape: type.shape };
  },
  pad: ([x], fail, _, { low, high, interior }) => {
    ranks(x!, fail, low, high, interior);
    if ([...low, ...high, ...interior].some((n) => n < 0 || !Number.isInteger(n)))
      fail("padding is a whole number of elements, 0 or more");
    const shape = x!.shape.map((d, i) => low[i]! + d + Math.max(0, d - 1) * interior[i]! + high[i]!);
    return { dtype: x!.dtype, shape };
  },
  flip: ([x], fail, _, { axes }) => {
    for (const axis of axes) inRank(x!, axis, fail);
    return x!;
  },
  concat: (inputs, fail, _, { axis }) => {
    const [first] = inputs;
    if (first === undefined) return fail("there is nothing to join");
    inRank(first, axis, fail);
    const rest = ({ shape }: ArrayType): string => `${shape.toSpliced(axis, 1)}`;
    if (inputs.some((x) => x.dtype !== first.dtype || x.shape.length !== first.shape.length || rest(x) !== rest(first)))
      fail(`the parts differ in more than axis ${axis}`);
    const extent = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
    return { dtype: first.dtype, shape: first.shape.with(axis, extent) };
  },
  reduce: ([x], fail, _, { axes }) => {
    if (x!.dtype === "i32") fail("it takes f32 or bf16");
    return reduced(x!, axes, fail);
  },
  argmax: ([x], fail, _, { axis }) => ({ dtype: "i32", shape: reduced(x!, [axis], fail).shape }),
  cumsum: ([x], fail, _, { axis }) => {
    inRank(x!, axis, fail);
    if (x!.dtype !== "f32") fail("it takes f32");
    return x!;
  },
  matmul: ([a, b], fail, _, { transposeA, transposeB }) => {
    const rank = a!.shape.length;
    if (rank < 2 || b?.shape.length !== rank) fail("it takes two arrays of one rank, at least 2");
    floats(a!, b!, fail);
    const batch = a!.shape.slice(0, -2);
    if (`${batch}` !== `${b!.shape.slice(0, -2)}`) fail("the batches differ: expand one of them");
    const [m, k] = lastTwo(a!, transposeA);
    const [inner, n] = lastTwo(b!, transposeB);
    if (k !== inner) fail(`the inner extents are ${k} and ${inner}`);
    return { dtype: "f32", shape: [...batch, m, n] };
  },
  conv2d: ([x, w], fail, _, op) => convolved(x!, w, fail, op),
  conv2dInput: ([dy, w], fail, declared, op) => {
    const x = declared ?? fail("it needs a declared type");
    if (!sameShape(convolved(x, w, fail, op), dy!))
      fail("the gradient has another shape than the convolution's result");
    return { dtype: "f32", shape: x.shape };
  },
  conv2dWeight: ([x, dy], fail, declared, op) => {
    const w = declared ?? fail("it needs a declared type");
    if (!sameShape(convolved(x!, w, fail, op), dy!))
      fail("the gradient has another shape than the convolution's result");
    return { dtype: "f32", shape: w.shape };
  },
  pool2d: ([x], fail, _, op) => pooled(x!, fail, op),
  pool2dInput: ([x, y, dy], fail, _, op) => {
    const type = pooled(x!, fail, op);
    if (!sameShape(type, y!) || !sameShape(type, dy!)) fail(`the pooled have shape [${type.shape}]`);
    return x!;
  },
  attention: (inputs, fail, _, { scale }) => attended(inputs, 3, scale, fail),
  attentionInput: (inputs, fail, _, { scale }) => {
    const { dtype, shape } = attended(inputs, 4, scale, fail);
    return { dtype, shape: [3, ...shape] };
  },
  take: ([table, indices], fail) => {
    if (indices?.dtype !== "i32") fail("indices are i32");
    if (table!.shape.length < 1) fail("the table has no first axis");
    return { dtype: table!.dtype, shape: [...indices!.shape, ...table!.shape.slice(1)] };
  },
  scatterAdd: ([indices, values], fail, declared) => {
    const type = declared ?? fail("it needs a declared type");
    if (indices?.dtype !== "i32" || values?.dtype !== "f32") fail("it takes i32 indices and f32 values");
    if (`${[...indices!.shape, ...type.shape.slice(1)]}` !== `${values!.shape}`)
      fail(`values for [${type.shape}] must be [${[...indices!.shape, ...type.shape.slice(1)]}]`);
    return { dtype: "f32", shape: type.shape };
  },
  random: ([key], fail, declared) => {
    const type = declared ?? fail("it needs a declared type");
    if (key?.dtype !== "i32" || `${key.shape}` !== "2") fail("the key is i32 [2]");
    return { dtype: "f32", shape: type.shape };
  },
};

function declaredType(_: readonly ArrayType[], fail: Fail, declared: ArrayType | undefined): ArrayType {
  return declared ?? fail("it needs a declared type");
}

const sameShape = (a: ArrayType, b: ArrayType): boolean => `${a.shape}` === `${b.shape}`;

function inRank({ shape }: ArrayType, axis: number, fail: Fail): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) fail(`there is no axis ${axis}`);
}

function ranks({ shape }: ArrayType, fail: Fail, ...lists: readonly (readonly number[])[]): void {
  if (lists.some((list) => list.length !== shape.length)) fail(`it needs a number for each of ${shape.length} axes`);
}

function reduced(x: ArrayType, axes: readonly number[], fail: Fail): ArrayType {
  for (const axis of axes) inRank(x, axis, fail);
  return { dtype: x.dtype, shape: x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) };
}

function floats(a: ArrayType, b: ArrayType, fail: Fail): void {
  if (a.dtype === "i32" || a.dtype !== b.dtype) fail("both must be f32, or both bf16");
}

function lastTwo({ shape }: ArrayType, transposed: boolean): readonly [number, number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

function attended(inputs: readonly ArrayType[], count: number, scale: number, fail: Fail): ArrayType {
  const [q] = inputs;
  if (inputs.length !== count || inputs.some((x) => x.dtype !== "f32" || !sameShape(x, q!)))
    fail(`it takes ${count} f32 arrays of one shape`);
  const width = q!.shape.at(-1) ?? 0;
  if (q!.shape.length < 2 || width % 16 !== 0 || q!.shape.includes(0))
    fail("it takes [...B, T, C], C a multiple of 16");
  if (!(scale > 0)) fail(`the scale is ${scale}: it must be positive`);
  return q!;
}

/** Positions of a window of `size` over `extent`. */
function positions(extent: number, size: number, stride: number, low: number, high: number): number {
  return Math.floor((extent + low + high - size) / stride) + 1;
}

function windows(
  { shape }: ArrayType,
  [height, width]: readonly [number, number],
  { strides, padding }: Window,
  fail: Fail,
): readonly [number, number] {
  const [top, bottom, left, right] = padding;
  const rows = positions(shape[1]!, height, strides[0], top, bottom);
  const columns = positions(shape[2]!, width, strides[1], left, right);
  if (rows < 1 || columns < 1) fail(`a window of ${height} × ${width} does not fit`);
  return [rows, columns];
}

function convolved(x: ArrayType, w: ArrayType | undefined, fail: Fail, op: Convolution): ArrayType {
  if (x.shape.length !== 4 || w?.shape.length !== 4) fail("it takes [N, H, W, C] and [h, w, C / groups, O]");
  floats(x, w!, fail);
  const [height, width, channels, outputs] = w!.shape as [number, number, number, number];
  if (channels * op.groups !== x.shape[3]) fail(`${op.groups} groups of ${channels} are not ${x.shape[3]} channels`);
  if (outputs % op.groups !== 0) fail(`${outputs} outputs are not ${op.groups} equal groups`);
  const spread = (size: number, dilation: number): number => (size - 1) * dilation + 1;
  const size = [spread(height, op.dilations[0]), spread(width, op.dilations[1])] as const;
  return { dtype: "f32", shape: [x.shape[0]!, ...windows(x, size, op, fail), outputs] };
}

function pooled(x: ArrayType, fail: Fail, op: Window & { readonly size: readonly [number, number] }): ArrayType {
  if (x.shape.length !== 4 || x.dtype !== "f32") fail("it takes f32 [N, H, W, C]");
  const [top, bottom, left, right] = op.padding;
  if (Math.max(top, bottom) >= op.size[0] || Math.max(left, right) >= op.size[1])
    fail("a window would lie in the padding only");
  return { dtype: "f32", shape: [x.shape[0]!, ...windows(x, op.size, op, fail), x.shape[3]!] };
}

/** The type of `op` over `inputs`. Throws a `UserError` that names the operation, the shapes and what is wrong. */
export function inferArray(op: ArrayOp, inputs: readonly ArrayType[], declared?: ArrayType): ArrayType {
  const fail = (why: string): never => {
    const what = "fn" in op ? `${op.kind} (${op.fn})` : op.kind;
    const over = inputs.map((t) => `${t.dtype}[${t.shape}]`).join(", ");
    throw new UserError(`${what} over ${over || "nothing"}: ${why}.`);
  };
  return (rules[op.kind] as Rule<ArrayOp>)(inputs, fail, declared, op);
}
