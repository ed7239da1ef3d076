/**
 * Functions of vectors for whole arrays: over all f32, NaN and infinities included, within 2 ulp where nothing else is said.
 * Polynomials of exp, log, sin, cos and tanh are those of Cephes; those of erf are fitted at Chebyshev points.
 */
import type { F32, I32 } from "../tile.ts";
import type { TileBuilder } from "../tile-builder.ts";

/** a where the mask has all bits, else c. */
export function select<V extends F32 | I32>(b: TileBuilder, mask: I32, a: V, c: V): V {
  if (a.type === "i32") {
    const other = c as I32;
    return b.i32("xor", other, b.i32("and", mask, b.i32("xor", a as I32, other))) as V;
  }
  const other = b.bitsI(c as F32);
  return b.bitsF(b.i32("xor", other, b.i32("and", mask, b.i32("xor", b.bitsI(a as F32), other)))) as V;
}

export const notANumber = (b: TileBuilder, x: F32): I32 => b.compare("ne", x, x);
export const negate = (b: TileBuilder, x: F32): F32 => b.bitsF(b.i32("xor", b.bitsI(x), b.constI(1 << 31)));
export const absolute = (b: TileBuilder, x: F32): F32 => b.bitsF(b.i32("and", b.bitsI(x), b.constI(0x7fffffff)));
const signOf = (b: TileBuilder, x: F32): I32 => b.i32("and", b.bitsI(x), b.constI(1 << 31));
const withSign = (b: TileBuilder, x: F32, sign: I32): F32 => b.bitsF(b.i32("or", b.bitsI(x), sign));

/** ((c0 x + c1) x + c2) … */
function horner(b: TileBuilder, x: F32, coefficients: readonly number[]): F32 {
  let p = b.constF(coefficients[0]!);
  for (const c of coefficients.slice(1)) {
    const next = b.constF(c);
    b.fma(next, p, x);
    p = next;
  }
  return p;
}

const ln2 = { high: 0.693359375, low: -2.1219444e-4 };

/** e^(x + low), low much smaller than x; 0 and infinity beyond the range of f32. */
export function exponential(b: TileBuilder, x: F32, low?: F32): F32 {
  const clamped = b.fmin(b.constF(89), b.fmax(b.constF(-104), x));
  const n = b.round(b.fmul(clamped, b.constF(Math.LOG2E)));
  const r = clamped;
  b.fma(r, n, b.constF(-ln2.high));
  b.fma(r, n, b.constF(-ln2.low));
  if (low !== undefined) b.fadd(r, low, r);
  const p = horner(
    b,
    r,
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
  );
  const sum = b.fadd(r, b.constF(1));
  b.fma(sum, p, b.fmul(r, r));
  // In two steps: 2^n itself may be no f32 where the result is one.
  const whole = b.toI32(n);
  const half = b.shift("sar", whole, 1);
  const power = (k: I32): F32 => b.bitsF(b.shift("shl", b.i32("add", k, b.constI(127)), 23));
  return b.fmul(b.fmul(sum, power(half)), power(b.i32("sub", whole, half)));
}

/** x = m · 2^e with m in [√½, √2), of positive finite x. */
function split(b: TileBuilder, x: F32): { readonly m: F32; readonly e: F32 } {
  const tiny = b.compare("lt", x, b.constF(2 ** -126));
  const bits = b.bitsI(select(b, tiny, b.fmul(x, b.constF(2 ** 23)), x));
  const e = b.shift("sar", b.i32("sub", bits, b.constI(0x3f3504f3)), 23);
  const m = b.bitsF(b.i32("sub", bits, b.shift("shl", e, 23)));
  return { m, e: b.toF32(b.i32("add", e, b.i32("and", tiny, b.constI(-23)))) };
}

export function logarithm(b: TileBuilder, x: F32): F32 {
  const { m, e } = split(b, x);
  const f = b.fsub(m, b.constF(1));
  const z = b.fmul(f, f);
  const p = horner(
    b,
    f,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
      2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  );
  const y = b.fmul(b.fmul(p, f), z);
  b.fma(y, e, b.constF(ln2.low));
  b.fma(y, z, b.constF(-0.5));
  const log = b.fadd(f, y);
  b.fma(log, e, b.constF(ln2.high));
  const infinity = b.constF(Number.POSITIVE_INFINITY);
  const positive = select(b, b.compare("lt", x, infinity), log, x);
  const zero = select(b, b.compare("eq", x, b.constF(0)), b.constF(Number.NEGATIVE_INFINITY), positive);
  return select(b, b.compare("lt", x, b.constF(0)), b.constF(Number.NaN), zero);
}

/** Of |x| up to some 10⁵; beyond, the error grows with x, to 2 at most. `quarter` is 1 for the cosine. */
function sine(b: TileBuilder, x: F32, quarter: 0 | 1): F32 {
  const size = absolute(b, x);
  const n = b.round(b.fmul(size, b.constF(2 / Math.PI)));
  const near = size;
  for (const part of [-1.5707963705062866, 4.371139000186243e-8, 1.71512449e-15]) b.fma(near, n, b.constF(part));
  const r = b.fmin(b.constF(1), b.fmax(b.constF(-1), near));
  const z = b.fmul(r, r);
  const sin = b.copy(r);
  b.fma(sin, b.fmul(horner(b, z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), z), r);
  const cos = b.constF(1);
  b.fma(cos, z, b.constF(-0.5));
  b.fma(cos, horner(b, z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]), b.fmul(z, z));
  const turns = b.i32("add", b.toI32(b.fmin(b.constF(2 ** 30), n)), b.constI(quarter));
  const odd = b.compare("eq", b.i32("and", turns, b.constI(1)), b.constI(1));
  const sign = b.shift("shl", b.i32("and", turns, b.constI(2)), 30);
  return b.bitsF(b.i32("xor", b.bitsI(select(b, odd, cos, sin)), sign));
}
export const sin = (b: TileBuilder, x: F32): F32 => b.bitsF(b.i32("xor", b.bitsI(sine(b, x, 0)), signOf(b, x)));
export const cos = (b: TileBuilder, x: F32): F32 => sine(b, x, 1);

export function tanh(b: TileBuilder, x: F32): F32 {
  const size = absolute(b, x);
  const z = b.fmul(x, x);
  const near = b.copy(size);
  const p = horner(b, z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]);
  b.fma(near, b.fmul(p, z), size);
  const e = exponential(b, b.fadd(size, size));
  const far = b.fsub(b.constF(1), b.fdiv(b.constF(2), b.fadd(e, b.constF(1))));
  return withSign(b, select(b, b.compare("lt", size, b.constF(0.625)), near, far), signOf(b, x));
}

export const sigmoid = (b: TileBuilder, x: F32): F32 =>
  b.fdiv(b.constF(1), b.fadd(exponential(b, negate(b, x)), b.constF(1)));

export const silu = (b: TileBuilder, x: F32): F32 => b.fdiv(x, b.fadd(exponential(b, negate(b, x)), b.constF(1)));

/** x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), by tanh(u) = 2 σ(2u) - 1. */
export function gelu(b: TileBuilder, x: F32): F32 {
  const inner = b.constF(1);
  b.fma(inner, b.fmul(x, x), b.constF(0.044715));
  const u = b.fmul(b.fmul(x, inner), b.constF(-2 * Math.sqrt(2 / Math.PI)));
  return b.fdiv(x, b.fadd(exponential(b, u), b.constF(1)));
}

const erfNear = [
  -9.673590284364764e-6, 1.1268253729213029e-4, -8.484396385028958e-4, 5.221053492277861e-3, -2.6865437626838684e-2,
  1.1283782869577408e-1, -3.7612637877464294e-1, 0.128379225730896,
];
const erfFar = [
  1.6140616015403853e-6, -1.3309390384767375e-5, 7.739442557303457e-5, -4.2014456753886644e-4, 2.165160309673702e-3,
  -0.010858517012633651, -9.438936402724896e-1, -5.352680681072855, -7.806815277051937,
];

/** Below 1 by x + x P(x²), above by 1 - e^Q(|x| - 5/2). */
export function erf(b: TileBuilder, x: F32): F32 {
  const near = b.copy(x);
  b.fma(near, horner(b, b.fmul(x, x), erfNear), x);
  const size = absolute(b, x);
  const e = exponential(b, horner(b, b.fsub(b.fmin(b.constF(4), size), b.constF(2.5)), erfFar));
  const far = select(b, notANumber(b, x), x, withSign(b, b.fsub(b.constF(1), e), signOf(b, x)));
  return select(b, b.compare("lt", size, b.constF(1)), near, far);
}

export function floor(b: TileBuilder, x: F32): F32 {
  const near = b.round(x);
  return b.fsub(near, b.bitsF(b.i32("and", b.compare("lt", x, near), b.bitsI(b.constF(1)))));
}

/** Towards zero; the value fits. */
export function truncate(b: TileBuilder, x: F32): I32 {
  return b.toI32(withSign(b, floor(b, absolute(b, x)), signOf(b, x)));
}

export function sign(b: TileBuilder, x: F32): F32 {
  const one = b.bitsI(withSign(b, b.constF(1), signOf(b, x)));
  const nonzero = b.bitsF(b.i32("and", b.compare("ne", x, b.constF(0)), one));
  return select(b, notANumber(b, x), x, nonzero);
}

/** ln of positive x as a sum of two f32. */
function logarithmInTwo(b: TileBuilder, x: F32): { readonly high: F32; readonly low: F32 } {
  const { m, e } = split(b, x);
  const one = b.constF(1);
  const d = b.fadd(m, one);
  const dLow = b.fsub(m, b.fsub(d, one));
  const f = b.fsub(m, one);
  const q = b.fdiv(f, d);
  const minus = negate(b, q);
  const rest = b.copy(f);
  b.fma(rest, minus, d);
  b.fma(rest, minus, dLow);
  const qLow = b.fdiv(rest, d);
  const z = b.fmul(q, q);
  const p = horner(b, z, [2 / 11, 2 / 9, 2 / 7, 2 / 5, 2 / 3]);
  const high = b.fadd(q, q);
  const low = b.fadd(qLow, qLow);
  b.fma(low, b.fmul(p, z), q);
  // ln 2 in 12 bits and the rest: its product with e is exact.
  const whole = b.fmul(e, b.constF(ln2.high));
  const sum = b.fadd(whole, high);
  const back = b.fsub(sum, whole);
  const lost = b.fadd(b.fsub(whole, b.fsub(sum, back)), b.fsub(high, back));
  b.fadd(low, lost, low);
  b.fma(low, e, b.constF(Math.LN2 - ln2.high));
  return { high: sum, low };
}

/** x^y as in IEEE 754. */
export function power(b: TileBuilder, x: F32, y: F32): F32 {
  const size = absolute(b, x);
  const { high, low } = logarithmInTwo(b, size);
  const product = b.fmul(y, high);
  const error = negate(b, product);
  b.fma(error, y, high);
  b.fma(error, y, low);
  const small = b.compare("lt", absolute(b, product), b.constF(200));
  const positive = exponential(b, product, b.bitsF(b.i32("and", small, b.bitsI(error))));
  const zero = b.constF(0);
  const infinity = b.constF(Number.POSITIVE_INFINITY);
  const upwards = b.compare("lt", zero, y);
  const ofInfinity = select(b, upwards, infinity, zero);
  const ofZero = select(b, upwards, zero, infinity);
  const finite = select(b, b.compare("eq", size, zero), ofZero, positive);
  const magnitude = select(b, b.compare("eq", size, infinity), ofInfinity, finite);
  // Odd exponents keep the sign; exponents that are not whole have no value for negative x.
  const half = b.fmul(y, b.constF(0.5));
  const whole = b.compare("eq", b.round(y), y);
  const odd = b.i32("and", whole, b.compare("ne", b.round(half), half));
  const signed = b.bitsF(b.i32("xor", b.bitsI(magnitude), b.i32("and", odd, signOf(b, x))));
  const below = b.i32("and", b.compare("lt", x, zero), b.compare("lt", size, infinity));
  const none = b.i32("and", b.i32("xor", whole, b.constI(-1)), below);
  const value = select(b, none, b.constF(Number.NaN), signed);
  const undefinedIn = b.i32("or", notANumber(b, x), notANumber(b, y));
  const defined = select(b, undefinedIn, b.constF(Number.NaN), value);
  // Where either is so, the other may be anything: y = 0, x = 1; and -1 has no sign at an infinite exponent.
  const one = b.constF(1);
  const endless = b.i32("and", b.compare("eq", size, one), b.compare("eq", absolute(b, y), infinity));
  const sure = b.i32("or", b.compare("eq", y, zero), b.i32("or", b.compare("eq", x, one), endless));
  return select(b, sure, one, defined);
}

/** The nearest bf16, ties to even, as f32. */
export function roundToBf16(b: TileBuilder, x: F32): F32 {
  const bits = b.bitsI(x);
  const even = b.i32("and", b.shift("shr", bits, 16), b.constI(1));
  const up = b.i32("add", bits, b.i32("add", even, b.constI(0x7fff)));
  const quiet = b.i32("or", bits, b.constI(0x400000));
  return b.bitsF(b.i32("and", select(b, notANumber(b, x), quiet, up), b.constI(0xffff0000 | 0)));
}
