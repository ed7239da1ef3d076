/** Opcodes of WebAssembly (core specification 2.0, relaxed SIMD), by what tile programs call them. */
import type { Comparison } from "../tile.ts";

export const load = {
  v128: [0xfd, 0],
  u16x4: [0xfd, 4],
  splat: [0xfd, 9],
  low32: [0xfd, 0x5c],
  low64: [0xfd, 0x5d],
  lane32: [0xfd, 0x56],
  i32: [0x28],
  u8: [0x2d],
  u16: [0x2f],
};
export const transforms: ReadonlySet<readonly number[]> = new Set([load.u16x4, load.splat, load.low32, load.low64]);
export const store = {
  v128: [0xfd, 11],
  lane32: [0xfd, 0x5a],
  lane64: [0xfd, 0x5b],
  i32: [0x36],
  u8: [0x3a],
  u16: [0x3b],
};
export const simd = {
  const: 12,
  shuffle: 13,
  splatI32: 17,
  gt: 0x3b,
  and: 0x4e,
  or: 0x50,
  xor: 0x51,
  narrow8: 0x65,
  nearest: 0x6a,
  narrow16: 0x85,
  widen8s: 0x87,
  widen8u: 0x89,
  shl16: 0x8b,
  sar16: 0x8c,
  shr16: 0x8d,
  add16: 0x8e,
  mul16: 0x95,
  widen16s: 0xa7,
  widen16u: 0xa9,
  shl: 0xab,
  sar: 0xac,
  shr: 0xad,
  addI: 0xae,
  subI: 0xb1,
  mulI: 0xb5,
  minI: 0xb6,
  maxI: 0xb8,
  dot16: 0xba,
  sqrt: 0xe3,
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
  pmin: 0xea,
  pmax: 0xeb,
  toI32: 0xf8,
  toF32: 0xfa,
  relaxedMadd: 0x105,
  relaxedDot: 0x112,
} as const;
export const compare: Readonly<Record<Comparison, number>> = {
  lt: 0x48,
  le: 0x4c,
  eq: 0x46,
  ne: 0x47,
  ge: 0x4e,
  gt: 0x4a,
};
/** Of vectors, by the type of their lanes. */
export const laneCompare = {
  f32: { eq: 0x41, ne: 0x42, lt: 0x43, le: 0x45 },
  i32: { eq: 0x37, ne: 0x38, lt: 0x39, le: 0x3d },
} as const;
export const f32Ops = {
  add: simd.add,
  sub: simd.sub,
  mul: simd.mul,
  div: simd.div,
  min: simd.pmin,
  max: simd.pmax,
} as const;
export const i32Ops = {
  mul: simd.mulI,
  add: simd.addI,
  sub: simd.subI,
  and: simd.and,
  or: simd.or,
  xor: simd.xor,
  madd16: simd.dot16,
  add16: simd.add16,
  min: simd.minI,
  max: simd.maxI,
} as const;
export const shifts = { shl: simd.shl, shr: simd.shr, sar: simd.sar, shr16: simd.shr16 } as const;
export const intOps = {
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  div: 0x6d,
  rem: 0x6f,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shr: 0x75,
} as const;
/** Bytes of two vectors of four words, by `Shuffle`. */
const words = (...four: readonly number[]): number[] => four.flatMap((w) => [4 * w, 4 * w + 1, 4 * w + 2, 4 * w + 3]);
export const shuffles = {
  low: words(0, 4, 1, 5),
  high: words(2, 6, 3, 7),
  lowPairs: words(0, 1, 4, 5),
  highPairs: words(2, 3, 6, 7),
} as const;
export const swapHalves = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
export const swapPairs = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
