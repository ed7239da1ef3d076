/**
 * What a graph of arrays means, in plain JavaScript: every operation evaluated in f64 and rounded to its type at the end. Slow
 * and short; compiled programs, gradients and batching are compared with it.
 */
import { UserError } from "../core/errors.ts";
import {
  type ArrayDType,
  type ArrayGraph,
  type ArrayOp,
  type ArrayOpKind,
  type ArrayType,
  type Binary,
  sizeOf,
  type Unary,
} from "../graph/array.ts";
import { attend, attendInput } from "./array-oracle-attention.ts";
import { convolve, convolveInput, convolveWeight, pool, poolInput } from "./array-oracle-windows.ts";
import { randomElement } from "./philox.ts";

/** Elements of f32 arrays, of i32 arrays, and the bits of bf16 arrays; f64 stands for f32 where nothing is rounded. */
export type ArrayData = Float32Array | Float64Array | Int32Array | Uint16Array;

export interface EvaluateOptions {
  /** f32 results keep the precision of f64, for finite differences. Outputs of f32 are then Float64Array. */
  readonly exact?: boolean;
}

/** An array while it is evaluated: its elements as numbers, whatever its type. */
export interface OracleArray {
  readonly type: ArrayType;
  readonly data: Float64Array;
}

type Meaning<O extends ArrayOp> = (op: O, inputs: readonly OracleArray[], type: ArrayType) => Float64Array;

const meanings: { readonly [K in Exclude<ArrayOpKind, "input">]: Meaning<Extract<ArrayOp, { kind: K }>> } = {
  constant: ({ value }, _, type) => new Float64Array(sizeOf(type.shape)).fill(value),
  iota: ({ axis }, _, { shape }) => {
    const inner = sizeOf(shape.slice(axis + 1));
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.floor(i / inner) % shape[axis]!);
  },
  unary: ({ fn }, [x]) => x!.data.map(unaries[fn]),
  binary: ({ fn }, [a, b]) => {
    const wraps = fn === "mul" && a!.type.dtype === "i32";
    const f = wraps ? Math.imul : binaries[fn];
    return a!.data.map((v, i) => f(v, b!.data[i]!));
  },
  where: (_, [condition, a, b]) => condition!.data.map((c, i) => (c === 0 ? b : a)!.data[i]!),
  cast: (_, [x], { dtype }) => (dtype === "i32" ? x!.data.map(Math.trunc) : x!.data),
  reshape: (_, [x]) => x!.data,
  transpose: ({ order }, [x], { shape }) => {
    const strides = stridesOf(x!.type.shape);
    return gather(
      x!,
      shape,
      0,
      order.map((axis) => strides[axis]!),
    );
  },
  expand: (_, [x], { shape }) => {
    const strides = stridesOf(x!.type.shape);
    return gather(
      x!,
      shape,
      0,
      strides.map((s, i) => (x!.type.shape[i] === 1 ? 0 : s)),
    );
  },
  slice: ({ starts, steps }, [x], { shape }) => {
    const strides = stridesOf(x!.type.shape);
    const start = strides.reduce((sum, s, i) => sum + s * starts[i]!, 0);
    return gather(
      x!,
      shape,
      start,
      strides.map((s, i) => s * steps[i]!),
    );
  },
  pad: ({ low, interior, value }, [x], { shape }) => {
    const strides = stridesOf(shape);
    const start = strides.reduce((sum, s, i) => sum + s * low[i]!, 0);
    const result = new Float64Array(sizeOf(shape)).fill(value);
    const steps = strides.map((s, i) => s * (interior[i]! + 1));
    walk(x!.type.shape, start, steps, (to, i) => {
      result[to] = x!.data[i]!;
    });
    return result;
  },
  flip: ({ axes }, [x], { shape }) => {
    const strides = stridesOf(shape);
    const start = axes.reduce((sum, axis) => sum + (shape[axis]! - 1) * strides[axis]!, 0);
    return gather(
      x!,
      shape,
      start,
      strides.map((s, i) => (axes.includes(i) ? -s : s)),
    );
  },
  concat: ({ axis }, inputs, { shape }) => {
    const strides = stridesOf(shape);
    const result = new Float64Array(sizeOf(shape));
    let start = 0;
    for (const x of inputs) {
      walk(x.type.shape, start, strides, (to, i) => {
        result[to] = x.data[i]!;
      });
      start += x.type.shape[axis]! * strides[axis]!;
    }
    return result;
  },
  reduce: ({ fn, axes }, [x], { shape }) => {
    const result = new Float64Array(sizeOf(shape)).fill(fn === "sum" ? 0 : Number.NEGATIVE_INFINITY);
    const strides = stridesOf(shape).map((s, i) => (axes.includes(i) ? 0 : s));
    walk(x!.type.shape, 0, strides, (to, i) => {
      const v = x!.data[i]!;
      result[to] = fn === "sum" ? result[to]! + v : Math.max(result[to]!, v);
    });
    return result;
  },
  argmax: ({ axis }, [x], { shape }) => {
    const result = new Float64Array(sizeOf(shape)).fill(-1);
    const best = new Float64Array(result.length);
    const inner = sizeOf(shape.slice(axis + 1));
    const strides = stridesOf(shape).with(axis, 0);
    walk(x!.type.shape, 0, strides, (to, i) => {
      if (result[to] !== -1 && !(x!.data[i]! > best[to]!)) return;
      best[to] = x!.data[i]!;
      result[to] = Math.floor(i / inner) % x!.type.shape[axis]!;
    });
    return result;
  },
  cumsum: ({ axis }, [x], { shape }) => {
    const result = x!.data.slice();
    const inner = sizeOf(shape.slice(axis + 1));
    for (let i = 0; i < result.length; i++)
      if (Math.floor(i / inner) % shape[axis]! > 0) result[i] = result[i]! + result[i - inner]!;
    return result;
  },
  matmul: ({ transposeA, transposeB }, [a, b], { shape }) => {
    const [m, n] = [shape.at(-2)!, shape.at(-1)!];
    const k = a!.type.shape.at(transposeA ? -2 : -1)!;
    const [aRow, aInner] = transposeA ? [1, m] : [k, 1];
    const [bInner, bColumn] = transposeB ? [1, k] : [n, 1];
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      const batch = Math.floor(i / (m * n));
      const atA = batch * m * k + (Math.floor(i / n) % m) * aRow;
      const atB = batch * k * n + (i % n) * bColumn;
      let sum = 0;
      for (let j = 0; j < k; j++) sum += a!.data[atA + j * aInner]! * b!.data[atB + j * bInner]!;
      return sum;
    });
  },
  conv2d: (op, [x, w], type) => convolve(op, x!, w!, type),
  conv2dInput: (op, [dy, w], type) => convolveInput(op, dy!, w!, type),
  conv2dWeight: (op, [x, dy], type) => convolveWeight(op, x!, dy!, type),
  pool2d: (op, [x], type) => pool(op, x!, type),
  pool2dInput: (op, [x, y, dy], type) => poolInput(op, x!, dy!, y!.type, type),
  attention: (op, inputs) => attend(op, inputs),
  attentionInput: (op, inputs) => attendInput(op, inputs),
  take: (_, [table, indices], { shape }) => {
    const row = sizeOf(table!.type.shape.slice(1));
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      return table!.data[indices!.data[Math.floor(i / row)]! * row + (i % row)]!;
    });
  },
  scatterAdd: (_, [indices, values], { shape }) => {
    const row = sizeOf(shape.slice(1));
    const result = new Float64Array(sizeOf(shape));
    for (const [i, v] of values!.data.entries()) {
      const to = indices!.data[Math.floor(i / row)]! * row + (i % row);
      result[to] = result[to]! + v;
    }
    return result;
  },
  random: ({ fn, stream }, [key], { shape }) => {
    const words = [key!.data[0]!, key!.data[1]!] as const;
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => randomElement(fn, words, stream, i));
  },
};

const unaries: Readonly<Record<Unary, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  erf,
  floor: Math.floor,
  relu: (x) => Math.max(0, x),
  gelu: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x / (1 + Math.exp(-x)),
  square: (x) => x * x,
};

const binaries: Readonly<Record<Binary, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  max: Math.max,
  min: Math.min,
  eq: (a, b) => Number(a === b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
};

/** erf by its series of positive terms: 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!. */
function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const stridesOf = (shape: readonly number[]): number[] => shape.map((_, i) => sizeOf(shape.slice(i + 1)));

/** Visits the elements of `shape` in order with their place `start + Σ index · stride`. */
function walk(
  shape: readonly number[],
  start: number,
  strides: readonly number[],
  visit: (place: number, i: number) => void,
): void {
  const total = sizeOf(shape);
  const index = shape.map(() => 0);
  let place = start;
  for (let i = 0; i < total; i++) {
    visit(place, i);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis]! + 1;
      place += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      place -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}

function gather(x: OracleArray, shape: readonly number[], start: number, strides: readonly number[]): Float64Array {
  const result = new Float64Array(sizeOf(shape));
  walk(shape, start, strides, (from, i) => {
    result[i] = x.data[from]!;
  });
  return result;
}

/** The word of x as f32. */
const wordOf = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;

const ofWord = (word: number): number => new Float32Array(Uint32Array.of(word).buffer)[0]!;

/** To the nearest bf16, ties to even. */
export function roundBf16(x: number): number {
  if (!Number.isFinite(x)) return x;
  const word = wordOf(x);
  return ofWord((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000);
}

const bf16Bits = (x: number): number => wordOf(roundBf16(x)) >>> 16;

const ofBf16Bits = (bits: number): number => ofWord(bits * 0x1_0000);

function rounded(data: Float64Array, dtype: ArrayDType, exact: boolean): Float64Array {
  if (dtype === "i32") return data.map((x) => x | 0);
  if (dtype === "bf16") return data.map(roundBf16);
  return exact ? data : data.map(Math.fround);
}

function bound(name: string, { dtype, shape }: ArrayType, inputs: Readonly<Record<string, ArrayData>>): Float64Array {
  const data = inputs[name];
  const wanted = dtype === "bf16" ? "Uint16Array" : dtype === "i32" ? "Int32Array" : "Float";
  if (data === undefined || data.length !== sizeOf(shape) || !data.constructor.name.startsWith(wanted))
    throw new UserError(
      `Input ${name} is ${dtype}[${shape}]: it cannot be ${data?.constructor.name} of ${data?.length}.`,
    );
  return Float64Array.from(data, dtype === "bf16" ? ofBf16Bits : (x) => x);
}

function exported(data: Float64Array, dtype: ArrayDType, exact: boolean): ArrayData {
  if (dtype === "i32") return Int32Array.from(data);
  if (dtype === "bf16") return Uint16Array.from(data, bf16Bits);
  return exact ? data : Float32Array.from(data);
}

/** The outputs of `graph` over `inputs`; arrays of bf16 are given and returned as their bits. */
export function evaluate(
  graph: ArrayGraph,
  inputs: Readonly<Record<string, ArrayData>>,
  { exact = false }: EvaluateOptions = {},
): Record<string, ArrayData> {
  const values = new Map<number, OracleArray>();
  for (const { id, op, inputs: from, type } of graph.nodes) {
    const operands = from.map((id) => values.get(id)!);
    const data =
      op.kind === "input" ? bound(op.name, type, inputs) : (meanings[op.kind] as Meaning<ArrayOp>)(op, operands, type);
    values.set(id, { type, data: rounded(data, type.dtype, exact) });
  }
  return Object.fromEntries(
    Object.entries(graph.outputs).map(([name, id]) => {
      const { data, type } = values.get(id)!;
      return [name, exported(data, type.dtype, exact)];
    }),
  );
}
