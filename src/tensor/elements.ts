/** Operations element by element: broadcasting as NumPy has it, types promoted as PyTorch promotes them. */
import type { ArrayDType, Binary, Unary } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import type { ArrayMath } from "../graph/array-math.ts";
import { computeOne, type Recipe } from "./compute.ts";
import { context } from "./context.ts";
import { full, scalar } from "./creation.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

export type Operand = Tensor | number;

const isWhole: ReadonlySet<Unary> = new Set(["neg", "abs", "sign", "square"]);

const one = (name: string, f: (m: ArrayMath, x: ArrayValue) => ArrayValue): Recipe => ({
  name,
  key: name,
  build: (m, [x]) => [f(m, x!)],
});

/** A function of each element; of i32 what is not whole is computed in f32. */
export function unary(fn: Unary, x: Tensor): Tensor {
  return computeOne(
    one(fn, (m, v) => m.unary(fn, isWhole.has(fn) || v.type.dtype !== "i32" ? v : m.cast(v, "f32"))),
    x,
  );
}

export function cast(x: Tensor, dtype: ArrayDType): Tensor {
  if (x.dtype === dtype) return x;
  return computeOne({ name: "cast", key: `cast ${dtype}`, build: (m, [v]) => [m.cast(v!, dtype)] }, x);
}

/** i32 gives way to bf16, and both to f32; a number takes the tensor's type, if it is whole or the tensor is not i32. */
export function promoted(a: Operand, b: Operand): ArrayDType {
  if (typeof a === "number") return typeof b === "number" ? "f32" : promoted(b, a);
  if (typeof b === "number") return a.dtype === "i32" && !Number.isInteger(b) ? "f32" : a.dtype;
  if (a.dtype === b.dtype) return a.dtype;
  return a.dtype === "f32" || b.dtype === "f32" ? "f32" : "bf16";
}

/** A number as a tensor: a constant of the trace, or one element on the device, so that programs serve all numbers. */
export function operand(x: Operand, dtype: ArrayDType): Tensor {
  if (typeof x !== "number") return x;
  return context.trace === undefined ? scalar(x, dtype) : full([], x, { dtype });
}

/** The shape that both repeat to. */
export function broadcastShape(name: string, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const extents = shapes.map((s) => s[s.length - rank + i] ?? 1);
    const extent = extents.find((d) => d !== 1) ?? 1;
    const wrong = extents.find((d) => d !== 1 && d !== extent);
    if (wrong === undefined) return extent;
    const over = shapes.map((s) => `[${s}]`).join(" and ");
    return refuse(`${name} over ${over}`, `the shapes do not broadcast: axis ${i - rank} has ${extent} and ${wrong}.`);
  });
}

const binaryNames: Readonly<Record<Binary, string>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  pow: "pow",
  max: "maximum",
  min: "minimum",
  eq: "eq",
  lt: "lt",
  le: "le",
};

export function binary(fn: Binary, a: Operand, b: Operand): Tensor {
  const name = binaryNames[fn];
  const common = promoted(a, b);
  const dtype = common === "i32" && (fn === "div" || fn === "pow") ? "f32" : common;
  const [x, y] = [operand(a, dtype), operand(b, dtype)];
  const shape = broadcastShape(name, [x.shape, y.shape]);
  return computeOne(
    {
      name,
      key: `${name} ${dtype}`,
      build: (m, [v, w]) => [
        m.binary(fn, m.broadcast(m.cast(v!, dtype), shape), m.broadcast(m.cast(w!, dtype), shape)),
      ],
    },
    x,
    y,
  );
}

/** `a` where the condition is not 0, else `b`. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const dtype = promoted(a, b);
  const [x, y] = [operand(a, dtype), operand(b, dtype)];
  const shape = broadcastShape("where", [condition.shape, x.shape, y.shape]);
  return computeOne(
    {
      name: "where",
      key: `where ${dtype}`,
      build: (m, [c, v, w]) => [
        m.where(
          m.broadcast(m.cast(c!, "f32"), shape),
          m.broadcast(m.cast(v!, dtype), shape),
          m.broadcast(m.cast(w!, dtype), shape),
        ),
      ],
    },
    condition,
    x,
    y,
  );
}

/** 0 or 1, the other one of each. */
export const not = (x: Tensor): Tensor =>
  computeOne(
    one("not", (m, v) => m.binary("eq", v, 0)),
    x,
  );

/** Held between `low` and `high`; the gradient is 0 outside. */
export function clamp(x: Tensor, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Tensor {
  const bounded = Number.isFinite(low) ? where(binary("lt", x, low), low, x) : x;
  return Number.isFinite(high) ? where(binary("lt", high, bounded), high, bounded) : bounded;
}

/** The type of a function of `x` that is not whole. */
const floatOf = (x: ArrayValue): ArrayDType => (x.type.dtype === "i32" ? "f32" : x.type.dtype);

export const softplus = (x: Tensor): Tensor =>
  computeOne(
    {
      name: "softplus",
      key: "softplus",
      build: (m, [x]) => {
        const v = m.cast(x!, "f32");
        const power = m.unary("exp", m.unary("neg", m.unary("abs", v)));
        // ln(1 + p) times p over what 1 + p has kept of p: what rounding lost of a small p comes back (Kahan).
        const whole = m.add(power, 1);
        const kept = m.sub(whole, 1);
        const none = m.binary("eq", kept, 0);
        const ratio = m.div(power, m.where(none, m.fill(kept, 1), kept));
        const tail = m.where(none, power, m.mul(m.unary("log", whole), ratio));
        return [m.cast(m.add(m.unary("relu", v), tail), floatOf(x!))];
      },
      vjp: (m, [x], _, [dy]) => [m.mul(dy!, m.unary("sigmoid", m.cast(x!, "f32")))],
    },
    x,
  );

export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => where(binary("lt", x, 0), binary("mul", x, slope), x);

export const elu = (x: Tensor, alpha = 1): Tensor =>
  computeOne(
    {
      name: "elu",
      key: `elu ${alpha}`,
      build: (m, [x]) => {
        const v = m.cast(x!, "f32");
        // e^v - 1 is 2 t / (1 - t) with t = tanh(v / 2), which keeps what is small.
        const t = m.unary("tanh", m.mul(m.binary("min", v, 0), 0.5));
        const below = m.div(m.mul(t, 2 * alpha), m.sub(m.fill(t, 1), t));
        return [m.cast(m.where(m.binary("lt", m.fill(v, 0), v), v, below), floatOf(x!))];
      },
      vjp: (m, [x], _, [dy]) => {
        const v = m.cast(x!, "f32");
        const slope = m.mul(m.unary("exp", m.binary("min", v, 0)), alpha);
        return [m.mul(dy!, m.where(m.binary("lt", m.fill(v, 0), v), m.fill(v, 1), slope))];
      },
    },
    x,
  );

/** The exact one, by erf; `unary("gelu")` is the tanh approximation. */
export const geluExact = (x: Tensor): Tensor =>
  computeOne(
    one("geluExact", (m, v) => m.mul(m.mul(v, 0.5), m.add(m.unary("erf", m.mul(v, Math.SQRT1_2)), 1))),
    x,
  );

/** Elements of its own: what is written over the one does not change the other. */
export const clone = (x: Tensor): Tensor =>
  computeOne({ name: "clone", key: "clone", build: (m, [v]) => [m.builder.add({ kind: "cast" }, [v!], v!.type)] }, x);
