/** A small graph for each operation on arrays, which gradients, batching and compiled programs are tested over. */
import type { ArrayOpKind, ArrayType, Unary } from "../graph/array.ts";
import type { ArrayBuilder, ArrayValue } from "../graph/array-builder.ts";
import { ArrayMath } from "../graph/array-math.ts";

export interface ArrayCase {
  readonly name: string;
  readonly kind: ArrayOpKind;
  /** Extents of the f32 inputs, whose elements `sample` gives; and those of i32, below `below`. */
  readonly inputs: readonly (readonly number[])[];
  readonly indices?: { readonly shape: readonly number[]; readonly below: number };
  /** Elements are away from 0 and positive: for logarithms and roots. */
  readonly positive?: boolean;
  readonly build: (m: ArrayMath, ...values: ArrayValue[]) => ArrayValue;
}

const unaries: readonly [Unary, boolean][] = [
  ...(
    ["neg", "abs", "sign", "exp", "sin", "cos", "tanh", "sigmoid", "erf", "floor", "relu", "gelu", "silu"] as const
  ).map((fn): [Unary, boolean] => [fn, false]),
  ...(["log", "sqrt", "rsqrt", "reciprocal", "square"] as const).map((fn): [Unary, boolean] => [fn, true]),
];

const convolution = { strides: [2, 1], padding: [1, 0, 1, 1], dilations: [1, 2], groups: 2 } as const;
const pooling = { size: [2, 3], strides: [2, 2], padding: [1, 0, 1, 1] } as const;
const [image, kernel, result] = [
  [2, 4, 5, 4],
  [2, 2, 2, 6],
  [2, 2, 5, 6],
] as const;

export const arrayCases: readonly ArrayCase[] = [
  ...unaries.map(
    ([fn, positive]): ArrayCase => ({
      name: `unary ${fn}`,
      kind: "unary",
      inputs: [[2, 3]],
      positive,
      build: (m, x) => m.unary(fn, x!),
    }),
  ),
  ...(["add", "sub", "mul", "div", "pow", "max", "min", "lt", "le", "eq"] as const).map(
    (fn): ArrayCase => ({
      name: `binary ${fn}`,
      kind: "binary",
      inputs: [
        [2, 3],
        [2, 3],
      ],
      positive: true,
      build: (m, a, b) => m.binary(fn, a!, b!),
    }),
  ),
  {
    name: "where",
    kind: "where",
    inputs: [[5], [5], [5]],
    build: (m, c, a, b) => m.where(m.binary("lt", c!, m.fill(c!, 0)), a!, b!),
  },
  {
    name: "constant and iota",
    kind: "iota",
    inputs: [[3, 4]],
    build: (m, x) => m.mul(m.add(x!, m.iota([3, 4], 1)), 0.5),
  },
  { name: "reshape", kind: "reshape", inputs: [[2, 6]], build: (m, x) => m.unary("sin", m.reshape(x!, [3, 4])) },
  {
    name: "transpose",
    kind: "transpose",
    inputs: [
      [2, 3, 4],
      [4, 2, 3],
    ],
    build: (m, x, y) => m.mul(m.transpose(x!, [2, 0, 1]), y!),
  },
  {
    name: "expand",
    kind: "expand",
    inputs: [
      [2, 1, 3],
      [2, 4, 3],
    ],
    build: (m, x, y) => m.mul(m.expand(x!, [2, 4, 3]), y!),
  },
  {
    name: "slice",
    kind: "slice",
    inputs: [[5, 7]],
    build: (m, x) => m.unary("square", m.slice(x!, [1, 2], [2, 3], [3, 2])),
  },
  {
    name: "pad",
    kind: "pad",
    inputs: [[2, 3]],
    build: (m, x) => m.unary("square", m.pad(x!, [1, 0], [0, 2], 0.5, [0, 1])),
  },
  { name: "flip", kind: "flip", inputs: [[2, 3]], build: (m, x) => m.mul(m.flip(x!, [1]), x!) },
  {
    name: "concat",
    kind: "concat",
    inputs: [
      [2, 1],
      [2, 3],
    ],
    build: (m, a, b) => m.unary("square", m.concat([a!, b!], 1)),
  },
  { name: "sum", kind: "reduce", inputs: [[2, 3, 4]], build: (m, x) => m.unary("square", m.sum(x!, [0, 2])) },
  { name: "max", kind: "reduce", inputs: [[2, 3, 4]], build: (m, x) => m.unary("square", m.max(x!, [1])) },
  {
    name: "argmax",
    kind: "argmax",
    inputs: [[3, 4]],
    build: (m, x) => m.cast(m.builder.add({ kind: "argmax", axis: 1 }, [x!]), "f32"),
  },
  {
    name: "cumsum",
    kind: "cumsum",
    inputs: [[3, 4]],
    build: (m, x) => m.unary("square", m.builder.add({ kind: "cumsum", axis: 0 }, [x!])),
  },
  ...[0, 1, 2, 3].map(
    (which): ArrayCase => ({
      name: `matmul ${which & 1 ? "aᵀ" : "a"} ${which & 2 ? "bᵀ" : "b"}`,
      kind: "matmul",
      inputs: [which & 1 ? [2, 3, 4] : [2, 4, 3], which & 2 ? [2, 5, 3] : [2, 3, 5]],
      build: (m, a, b) => m.matmul(a!, b!, (which & 1) > 0, (which & 2) > 0),
    }),
  ),
  {
    name: "matmul of rows",
    kind: "matmul",
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: (m, a, b) => m.matmul(a!, b!, false, true),
  },
  ...[true, false].map(
    (causal): ArrayCase => ({
      name: causal ? "attention, causal" : "attention",
      kind: "attention",
      inputs: [
        [2, 3, 16],
        [2, 3, 16],
        [2, 3, 16],
      ],
      build: (m, ...inputs) => m.builder.add({ kind: "attention", causal, scale: 0.25 }, inputs),
    }),
  ),
  {
    name: "attentionInput",
    kind: "attentionInput",
    inputs: [
      [2, 16],
      [2, 16],
      [2, 16],
      [2, 16],
    ],
    build: (m, ...inputs) =>
      m.unary("square", m.builder.add({ kind: "attentionInput", causal: true, scale: 0.25 }, inputs)),
  },
  {
    name: "conv2d",
    kind: "conv2d",
    inputs: [image, kernel],
    build: (m, x, w) => m.builder.add({ kind: "conv2d", ...convolution }, [x!, w!]),
  },
  {
    name: "conv2dInput",
    kind: "conv2dInput",
    inputs: [result, kernel],
    build: (m, dy, w) => m.builder.add({ kind: "conv2dInput", ...convolution }, [dy!, w!], f32(image)),
  },
  {
    name: "conv2dWeight",
    kind: "conv2dWeight",
    inputs: [image, result],
    build: (m, x, dy) => m.builder.add({ kind: "conv2dWeight", ...convolution }, [x!, dy!], f32(kernel)),
  },
  ...(["max", "mean"] as const).map(
    (fn): ArrayCase => ({
      name: `pool2d ${fn}`,
      kind: "pool2d",
      inputs: [[2, 5, 6, 2]],
      build: (m, x) => m.unary("square", m.builder.add({ kind: "pool2d", fn, ...pooling }, [x!])),
    }),
  ),
  ...(["max", "mean"] as const).map(
    (fn): ArrayCase => ({
      name: `pool2dInput ${fn}`,
      kind: "pool2dInput",
      inputs: [[1, 5, 6, 2]],
      build: (m, x) => {
        const y = m.builder.add({ kind: "pool2d", fn, ...pooling }, [x!]);
        return m.builder.add({ kind: "pool2dInput", fn, ...pooling }, [x!, y, m.unary("sin", y)]);
      },
    }),
  ),
  {
    name: "take",
    kind: "take",
    inputs: [[4, 3]],
    indices: { shape: [2, 3], below: 4 },
    build: (m, table, i) => m.unary("square", m.take(table!, i!)),
  },
  {
    name: "scatterAdd",
    kind: "scatterAdd",
    inputs: [[2, 3, 2]],
    indices: { shape: [2, 3], below: 4 },
    build: (m, v, i) => m.unary("square", m.builder.add({ kind: "scatterAdd" }, [i!, v!], f32([4, 2]))),
  },
  {
    name: "random",
    kind: "random",
    inputs: [[3, 4]],
    indices: { shape: [2], below: 9 },
    build: (m, x, key) => m.mul(x!, m.builder.add({ kind: "random", fn: "normal", stream: 5 }, [key!], f32([3, 4]))),
  },
];

const f32 = (shape: readonly number[]): ArrayType => ({ dtype: "f32", shape });

/** Element `i` of input `which`: in (-1, 1), or in (0.4, 1.6), no two equal. */
export function sample(which: number, i: number, positive = false): number {
  const x = Math.sin((i + 1) * 1.7 + which * 2.3 + (i * i) / 7);
  return positive ? 1 + 0.6 * x : x;
}

export const inputNames = (c: ArrayCase): readonly string[] => c.inputs.map((_, i) => `x${i}`);

/** The case in a builder, with inputs x0, x1, … and `indices`. */
export function buildCase(
  c: ArrayCase,
  builder: ArrayBuilder,
): { readonly m: ArrayMath; readonly values: readonly ArrayValue[]; readonly y: ArrayValue } {
  const m = new ArrayMath(builder);
  const values = c.inputs.map((shape, i) => builder.add({ kind: "input", name: `x${i}` }, [], f32(shape)));
  const indices =
    c.indices === undefined
      ? []
      : [builder.add({ kind: "input", name: "indices" }, [], { dtype: "i32", shape: c.indices.shape })];
  return { m, values, y: c.build(m, ...values, ...indices) };
}
