/**
 * Functions of vectors, written once in the primitives of tile programs. `exp` is within 2 ulp on the range that it clamps
 * to; the polynomial and the split of ln 2 are those of Cephes' expf.
 */
import type { F32, I32 } from "../tile.ts";
import type { TileBuilder } from "../tile-builder.ts";

const polynomial = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];
const ln2 = { high: 0.693359375, low: -2.1219444e-4 };

/** e^x, x clamped to [-87.3, 88.3], where the result is a normal number. */
export function exp(b: TileBuilder, x: F32): F32 {
  const clamped = b.fmin(b.fmax(x, b.constF(-87.3)), b.constF(88.3));
  const n = b.round(b.fmul(clamped, b.constF(Math.LOG2E)));
  const r = clamped;
  b.fma(r, n, b.constF(-ln2.high));
  b.fma(r, n, b.constF(-ln2.low));
  let p = b.constF(polynomial[0]!);
  for (const c of polynomial.slice(1)) {
    const next = b.constF(c);
    b.fma(next, p, r);
    p = next;
  }
  const sum = b.fadd(r, b.constF(1));
  b.fma(sum, p, b.fmul(r, r));
  const power = b.shift("shl", b.i32("add", b.toI32(n), b.constI(127)), 23);
  return b.fmul(sum, b.bitsF(power));
}

/** x / (1 + e^-x). */
export function silu(b: TileBuilder, x: F32): F32 {
  return b.fdiv(x, b.fadd(exp(b, b.fsub(b.constF(0), x)), b.constF(1)));
}

/** x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), by tanh(u) = 2 σ(2u) - 1. */
export function gelu(b: TileBuilder, x: F32): F32 {
  const inner = b.constF(1);
  b.fma(inner, b.fmul(x, x), b.constF(0.044715));
  const u = b.fmul(b.fmul(x, inner), b.constF(-2 * Math.sqrt(2 / Math.PI)));
  return b.fdiv(x, b.fadd(exp(b, u), b.constF(1)));
}

export function abs(b: TileBuilder, x: F32): F32 {
  return b.bitsF(b.i32("and", b.bitsI(x), b.constI(0x7fffffff)));
}

/**
 * Sixteen partial results, in 16 / lanes vectors, to one in every lane: lane i with i + 8, then i + 4, …, the same tree
 * whatever the number of lanes.
 */
export function reduce16<V extends F32 | I32>(b: TileBuilder, kind: "add" | "max", parts: readonly V[]): V {
  let level = [...parts];
  while (level.length > 1) {
    const half = level.length / 2;
    level = level.slice(0, half).map((low, i) => pair(b, kind, low, level[i + half]!));
  }
  return b.reduce(kind, level[0]!);
}

function pair<V extends F32 | I32>(b: TileBuilder, kind: "add" | "max", x: V, y: V): V {
  if (x.type === "i32") return b.i32(kind, x, y as I32) as V;
  return (kind === "add" ? b.fadd(x as F32, y as F32) : b.fmax(x as F32, y as F32)) as V;
}
