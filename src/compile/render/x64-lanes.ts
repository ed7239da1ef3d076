/** Instructions on lanes: which of the machine's they are, and those on some lanes, or between lanes, that take several. */

import type { LaneComparison, Shuffle } from "../tile.ts";
import { type Assembler, type Memory, reg, type VectorOp, vop } from "./x64-assembler.ts";

type Bits = 256 | 512;

/** One of the machine's each. */
export const i32Ops = {
  add: vop.paddd,
  sub: vop.psubd,
  mul: vop.pmulld,
  and: vop.pand,
  or: vop.por,
  xor: vop.pxor,
  madd16: vop.pmaddwd,
  madd8: vop.pmaddubsw,
  add16: vop.paddw,
  min: vop.pminsd,
  max: vop.pmaxsd,
} as const;

/** The lane order of `Shuffle`: within 128-bit parts, or of whole parts. */
export function shuffle(asm: Assembler, bits: Bits, kind: Shuffle, dst: number, a: number, b: number): void {
  if (kind === "evenFours" || kind === "oddFours") {
    const even = kind === "evenFours";
    if (bits === 512) asm.vector(vop.shuffle128, 512, dst, a, b, { immediate: even ? 0x88 : 0xdd });
    else asm.vector(vop.swapHalves, 256, dst, a, b, { immediate: even ? 0x20 : 0x31 });
  } else asm.vector(vop[kind], bits, dst, a, b, { wide: kind === "lowPairs" || kind === "highPairs" });
}

/** The first `count` lanes from or to memory, through a mask: in k1, or in the second of two spare registers. */
export function part(
  asm: Assembler,
  bits: Bits,
  field: number,
  memory: Memory,
  count: number,
  load: boolean,
  [ones, mask]: readonly [number, number],
): void {
  if (asm.evex) {
    asm.movImmediate(reg.rax, 2 ** count - 1);
    asm.maskFrom(reg.rax);
    return asm.vector(load ? vop.load : vop.store, bits, field, 0, memory, { mask: load ? "zero" : "keep" });
  }
  asm.vector(vop.equal, 256, ones, ones, ones);
  asm.vector(vop.shiftBytes, 128, 3, mask, ones, { immediate: 16 - 4 * (count > 4 ? count - 4 : count) });
  if (count > 4) asm.vector(vop.swapHalves, 256, mask, ones, mask, { immediate: 0x20 });
  asm.vector(load ? vop.maskLoad : vop.maskStore, 256, field, mask, memory);
}

/** The low byte or half of each lane. Packing works within 128-bit halves: what is wanted is at the bottom of each. */
export function storeNarrow(
  asm: Assembler,
  to: Memory,
  from: number,
  bytes: 1 | 2,
  [low, high]: readonly [number, number],
): void {
  if (asm.evex) return asm.vector(bytes === 1 ? vop.truncateBytes : vop.truncateWords, 512, from, 0, to);
  asm.vector(vop.packDw, 256, low, from, from);
  if (bytes === 1) asm.vector(vop.packWb, 256, low, low, low);
  asm.vector(vop.extractHalf, 256, low, 0, high, { immediate: 1 });
  const store = bytes === 1 ? vop.moveToGpr : vop.moveLow64;
  asm.vector(store, 128, low, 0, to);
  asm.vector(store, 128, high, 0, { ...to, offset: to.offset + 4 * bytes });
}

/** A butterfly: each level folds lane i with lane i ^ half, so every lane holds the same result, in the same order. */
export function reduce(asm: Assembler, bits: Bits, fold: VectorOp, d: number, spare: number): void {
  const level = (shuffled: VectorOp, second: number, immediate: number): void => {
    asm.vector(shuffled, bits, spare, second, d, { immediate });
    asm.vector(fold, bits, d, d, spare);
  };
  if (asm.evex) {
    level(vop.shuffle128, d, 0x4e);
    level(vop.shuffle128, d, 0xb1);
  } else level(vop.swapHalves, d, 1);
  level(vop.permute, 0, 0x4e);
  level(vop.permute, 0, 0xb1);
}

/** Immediates of the machine's comparisons, those of integers and of floats alike. */
const predicates = { eq: 0, lt: 1, le: 2, ne: 4 } as const satisfies Readonly<Record<LaneComparison, number>>;

/** All bits of a lane where the comparison holds, by way of k1 where vectors have masks. */
export function compareLanes(
  asm: Assembler,
  bits: Bits,
  kind: LaneComparison,
  float: boolean,
  dst: number,
  a: number,
  b: number,
  spare: number,
): void {
  const immediate = predicates[kind];
  if (asm.evex) {
    asm.vector(float ? vop.compareF : vop.compareI, bits, 1, a, b, { immediate });
    return asm.vector(vop.maskToLanes, bits, dst, 0, 1);
  }
  if (float) return asm.vector(vop.compareF, bits, dst, a, b, { immediate });
  if (kind === "eq" || kind === "ne") asm.vector(vop.equal, bits, dst, a, b);
  else if (kind === "lt") asm.vector(vop.greater, bits, dst, b, a);
  else asm.vector(vop.greater, bits, dst, a, b);
  if (kind === "eq" || kind === "lt") return;
  asm.vector(vop.equal, bits, spare, spare, spare);
  asm.vector(vop.pxor, bits, dst, dst, spare);
}
