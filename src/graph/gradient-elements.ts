/** Gradients of the operations that work element by element. Everything is f32. */
import type { Binary, Unary } from "./array.ts";
import type { ArrayValue } from "./array-builder.ts";
import type { ArrayMath } from "./array-math.ts";

/** dy times the derivative at x, where y is the function's value. */
type Derivative = (m: ArrayMath, dy: ArrayValue, x: ArrayValue, y: ArrayValue) => ArrayValue;

const flat: Derivative = (m, dy) => m.fill(dy, 0);

const derivatives: Readonly<Record<Unary, Derivative>> = {
  neg: (m, dy) => m.unary("neg", dy),
  abs: (m, dy, x) => m.mul(dy, m.unary("sign", x)),
  sign: flat,
  floor: flat,
  exp: (m, dy, _, y) => m.mul(dy, y),
  log: (m, dy, x) => m.div(dy, x),
  sqrt: (m, dy, _, y) => m.div(m.mul(dy, 0.5), y),
  rsqrt: (m, dy, _, y) => m.mul(m.mul(dy, -0.5), m.mul(y, m.unary("square", y))),
  reciprocal: (m, dy, _, y) => m.unary("neg", m.mul(dy, m.unary("square", y))),
  sin: (m, dy, x) => m.mul(dy, m.unary("cos", x)),
  cos: (m, dy, x) => m.unary("neg", m.mul(dy, m.unary("sin", x))),
  tanh: (m, dy, _, y) => m.mul(dy, m.sub(m.fill(y, 1), m.unary("square", y))),
  sigmoid: (m, dy, _, y) => m.mul(dy, m.mul(y, m.sub(m.fill(y, 1), y))),
  erf: (m, dy, x) => m.mul(dy, m.mul(m.unary("exp", m.unary("neg", m.unary("square", x))), 2 / Math.sqrt(Math.PI))),
  relu: (m, dy, _, y) => m.where(m.binary("lt", m.fill(y, 0), y), dy, m.fill(dy, 0)),
  gelu: (m, dy, x) => {
    // y = x/2 (1 + t), t = tanh(u), u = c (x + d x³); y' = (1 + t)/2 + x/2 (1 − t²) u'.
    const [c, d] = [Math.sqrt(2 / Math.PI), 0.044715];
    const squared = m.unary("square", x);
    const t = m.unary("tanh", m.mul(x, m.add(m.mul(squared, c * d), c)));
    const slope = m.add(m.mul(squared, 3 * c * d), c);
    const bend = m.mul(m.mul(x, slope), m.sub(m.fill(t, 1), m.unary("square", t)));
    return m.mul(dy, m.mul(m.add(m.add(t, bend), 1), 0.5));
  },
  silu: (m, dy, x) => {
    // y = x s; y' = s (1 + x (1 − s)).
    const s = m.unary("sigmoid", x);
    return m.mul(dy, m.mul(s, m.add(m.mul(x, m.sub(m.fill(s, 1), s)), 1)));
  },
  square: (m, dy, x) => m.mul(dy, m.mul(x, 2)),
};

export function unaryGradient(m: ArrayMath, fn: Unary, x: ArrayValue, y: ArrayValue, dy: ArrayValue): ArrayValue {
  return derivatives[fn](m, dy, m.cast(x, "f32"), m.cast(y, "f32"));
}

type Pair = readonly [() => ArrayValue, () => ArrayValue];
type PairRule = (m: ArrayMath, dy: ArrayValue, a: ArrayValue, b: ArrayValue, y: ArrayValue) => Pair;

/** Of equal elements each gets half, as PyTorch has it. */
const greater =
  (swap: boolean): PairRule =>
  (m, dy, a, b) => {
    const share = (x: ArrayValue, than: ArrayValue): ArrayValue => {
      const wins = swap ? m.binary("lt", x, than) : m.binary("lt", than, x);
      return m.mul(dy, m.add(wins, m.mul(m.binary("eq", x, than), 0.5)));
    };
    return [() => share(a, b), () => share(b, a)];
  };

const pairs: Readonly<Record<Exclude<Binary, "eq" | "lt" | "le">, PairRule>> = {
  add: (_, dy) => [() => dy, () => dy],
  sub: (m, dy) => [() => dy, () => m.unary("neg", dy)],
  mul: (m, dy, a, b) => [() => m.mul(dy, b), () => m.mul(dy, a)],
  div: (m, dy, _, b, y) => [() => m.div(dy, b), () => m.unary("neg", m.mul(m.div(dy, b), y))],
  pow: (m, dy, a, b, y) => [
    // At an exponent of 0 the derivative is 0, though 0 to the power of -1 is infinite.
    () => {
      const zero = m.fill(dy, 0);
      const slope = m.mul(dy, m.mul(b, m.binary("pow", a, m.sub(b, 1))));
      return m.where(m.binary("eq", b, 0), zero, slope);
    },
    () => {
      const positive = m.binary("lt", m.fill(a, 0), a);
      const logarithm = m.unary("log", m.where(positive, a, m.fill(a, 1)));
      return m.mul(dy, m.mul(y, logarithm));
    },
  ],
  max: greater(false),
  min: greater(true),
};

export function binaryGradient(
  m: ArrayMath,
  fn: Binary,
  a: ArrayValue,
  b: ArrayValue,
  y: ArrayValue,
  dy: ArrayValue,
): readonly (() => ArrayValue)[] {
  if (fn === "eq" || fn === "lt" || fn === "le" || a.type.dtype === "i32") return [];
  return pairs[fn](m, dy, m.cast(a, "f32"), m.cast(b, "f32"), m.cast(y, "f32"));
}
