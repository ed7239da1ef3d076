/** What elementwise operations do to vectors: one entry an operation, so a missing one does not compile. */
import { assert } from "../../core/errors.ts";
import type { ArrayDType, Binary, Unary } from "../../graph/array.ts";
import type { F32, I32 } from "../tile.ts";
import type { TileBuilder } from "../tile-builder.ts";
import * as f from "./functions.ts";

const unaries: { readonly [K in Unary]: (b: TileBuilder, x: F32) => F32 } = {
  neg: f.negate,
  abs: f.absolute,
  sign: f.sign,
  exp: (b, x) => f.exponential(b, x),
  log: f.logarithm,
  sqrt: (b, x) => b.sqrt(x),
  rsqrt: (b, x) => b.fdiv(b.constF(1), b.sqrt(x)),
  reciprocal: (b, x) => b.fdiv(b.constF(1), x),
  sin: f.sin,
  cos: f.cos,
  tanh: f.tanh,
  sigmoid: f.sigmoid,
  erf: f.erf,
  floor: f.floor,
  // The second operand is given where neither is greater: NaN passes.
  relu: (b, x) => b.fmax(b.constF(0), x),
  gelu: f.gelu,
  silu: f.silu,
  square: (b, x) => b.fmul(x, x),
};

export function unary(b: TileBuilder, fn: Unary, x: F32 | I32): F32 | I32 {
  if (x.type === "f32") return unaries[fn](b, x as F32);
  const v = x as I32;
  if (fn === "square") return b.i32("mul", v, v);
  if (fn === "sign") return b.i32("min", b.i32("max", v, b.constI(-1)), b.constI(1));
  const minus = b.i32("sub", b.constI(0), v);
  if (fn === "neg") return minus;
  assert(fn === "abs", () => `${fn} of i32`);
  return b.i32("max", v, minus);
}

type Comparing = "eq" | "lt" | "le";
export const compares = (fn: Binary): fn is Comparing => fn === "eq" || fn === "lt" || fn === "le";

const binaries: { readonly [K in Exclude<Binary, Comparing>]: (b: TileBuilder, x: F32, y: F32) => F32 } = {
  add: (b, x, y) => b.fadd(x, y),
  sub: (b, x, y) => b.fsub(x, y),
  mul: (b, x, y) => b.fmul(x, y),
  div: (b, x, y) => b.fdiv(x, y),
  pow: f.power,
  max: (b, x, y) => f.select(b, f.notANumber(b, x), x, b.fmax(x, y)),
  min: (b, x, y) => f.select(b, f.notANumber(b, x), x, b.fmin(x, y)),
};

export function binary(b: TileBuilder, fn: Exclude<Binary, Comparing>, x: F32 | I32, y: F32 | I32): F32 | I32 {
  if (x.type === "f32") return binaries[fn](b, x as F32, y as F32);
  assert(fn !== "div" && fn !== "pow", () => `${fn} of i32`);
  return b.i32(fn, x as I32, y as I32);
}

/** From one type to another; bf16 is f32 in registers. */
export function cast(b: TileBuilder, from: ArrayDType, to: ArrayDType, x: F32 | I32): F32 | I32 {
  if (from === "i32") return to === "i32" ? x : b.toF32(x as I32);
  return to === "i32" ? f.truncate(b, x as F32) : x;
}
