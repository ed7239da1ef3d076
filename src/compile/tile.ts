/**
 * Tile programs: what every kernel is written in, once, and every renderer reads.
 *
 * A program is a structured list of instructions over variables of three types: `int` (an address or a count, one
 * machine word), and `f32` and `i32`, which are vectors of `lanes` elements. The number of lanes is the target's; a
 * kernel asks for it and emits as many vectors as it needs. Variables are assigned where they are first written and
 * may be written again (accumulators, cursors).
 *
 * A kernel is called as `(args, begin, end, scratch)`: `args` points at its parameters, eight bytes each; `begin` and
 * `end` bound the work items it must do; `scratch` is memory of its thread.
 *
 * Rounding is part of the contract: every f32 operation rounds once, to nearest even, and `fma` rounds once where the
 * target has it. An i32 operation wraps.
 */
export type VarType = "int" | "f32" | "i32";

export interface Var<T extends VarType = VarType> {
  readonly id: number;
  readonly type: T;
}
export type Int = Var<"int">;
export type F32 = Var<"f32">;
export type I32 = Var<"i32">;

/** `base + index * scale + offset`, in bytes. */
export interface Address {
  readonly base: Int;
  readonly index?: Int;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly offset: number;
}

/** A vector read from memory where it is used: whole, or one element repeated in every lane. */
export interface MemoryOperand {
  readonly from: "vector" | "broadcast";
  readonly at: Address;
}

export type IntOperand = Int | number;
export type F32Operand = F32 | MemoryOperand;
export type I32Operand = I32 | MemoryOperand;

export type IntBinary = "add" | "sub" | "mul" | "and" | "or" | "xor" | "shl" | "shr" | "div" | "rem" | "min" | "max";
/** `min` and `max` give `b` where neither operand is less (zeros of either sign) or one is NaN. */
export type F32Binary = "add" | "sub" | "mul" | "div" | "min" | "max";
/**
 * `madd16` is pmaddwd: two i16 products, added. `madd8` is pmaddubsw: each half of a lane is two products of a's unsigned
 * bytes and b's signed ones, added, which must fit an i16: they do where a's are below 128. `add16` adds halves, which wrap.
 */
export type I32Binary = "add" | "sub" | "mul" | "and" | "or" | "xor" | "madd16" | "madd8" | "add16" | "min" | "max";
/** `shr` is logical, `sar` arithmetic; `shr16` shifts each half of a lane. */
export type I32Shift = "shl" | "shr" | "sar" | "shr16";
export type Comparison = "lt" | "le" | "eq" | "ne" | "ge" | "gt";
export type LaneComparison = "lt" | "le" | "eq" | "ne";
/**
 * Elements of two vectors in turn. In each four lanes: `low` is a0 b0 a1 b1 and `high` a2 b2 a3 b3; `lowPairs` is a0 a1 b0 b1
 * and `highPairs` a2 a3 b2 b3. Of whole fours (more lanes than four): `evenFours` those of even index of a, then of b, and
 * `oddFours` the others.
 */
export type Shuffle = "low" | "high" | "lowPairs" | "highPairs" | "evenFours" | "oddFours";
/** How memory becomes a vector: `lanes` elements of this type, widened to the variable's. */
export type VectorLoad = "32" | "u8" | "i8" | "f16" | "bf16";

export type Instruction =
  | { readonly op: "int"; readonly dst: Int; readonly value: number }
  | { readonly op: "copy"; readonly dst: Var; readonly a: Var }
  /** Signed; `div` and `rem` truncate and take non-negative operands; shifts take a number. */
  | { readonly op: "intBinary"; readonly kind: IntBinary; readonly dst: Int; readonly a: Int; readonly b: IntOperand }
  | { readonly op: "intLoad"; readonly dst: Int; readonly at: Address; readonly size: "u8" | "u16" | "i32" | "word" }
  | { readonly op: "intStore"; readonly at: Address; readonly a: Int; readonly size: "u8" | "u16" | "i32" }
  | { readonly op: "load"; readonly dst: F32 | I32; readonly at: Address; readonly as: VectorLoad }
  /** The first `count` elements, 1 … lanes - 1, and zeros; nothing behind them is touched. */
  | { readonly op: "loadPart"; readonly dst: F32 | I32; readonly at: Address; readonly count: number }
  | { readonly op: "broadcast"; readonly dst: F32 | I32; readonly at: Address }
  /** Every lane the low 32 bits of `a`. */
  | { readonly op: "splat"; readonly dst: I32; readonly a: Int }
  /** Every lane this value; for i32 an integer, for f32 rounded to f32. */
  | { readonly op: "constant"; readonly dst: F32 | I32; readonly value: number }
  | { readonly op: "store"; readonly at: Address; readonly a: F32 | I32 }
  /** The first `count` lanes, 1 … lanes - 1; nothing behind them is touched. */
  | { readonly op: "storePart"; readonly at: Address; readonly a: F32 | I32; readonly count: number }
  /** Lane 0 alone, four bytes. */
  | { readonly op: "storeLane"; readonly at: Address; readonly a: F32 | I32 }
  /** The low byte of each lane: `lanes` bytes. The lanes hold -128 … 127. */
  | { readonly op: "storeI8"; readonly at: Address; readonly a: I32 }
  /** The low half of each lane: 2 × `lanes` bytes. The lanes hold -32768 … 32767. */
  | { readonly op: "storeI16"; readonly at: Address; readonly a: I32 }
  | { readonly op: "f32Binary"; readonly kind: F32Binary; readonly dst: F32; readonly a: F32; readonly b: F32Operand }
  /** dst += a * b */
  | { readonly op: "fma"; readonly dst: F32; readonly a: F32; readonly b: F32Operand }
  | { readonly op: "f32Unary"; readonly kind: "sqrt" | "round"; readonly dst: F32; readonly a: F32 }
  | { readonly op: "i32Binary"; readonly kind: I32Binary; readonly dst: I32; readonly a: I32; readonly b: I32Operand }
  /** dst |= a & b */
  | { readonly op: "andOr"; readonly dst: I32; readonly a: I32; readonly b: I32Operand }
  | { readonly op: "i32Shift"; readonly kind: I32Shift; readonly dst: I32; readonly a: I32; readonly bits: number }
  /** dst += the four products of a's unsigned bytes and b's signed bytes, exact. Only where `Target.dot4`. */
  | { readonly op: "dot4"; readonly dst: I32; readonly a: I32; readonly b: I32Operand }
  /**
   * dst += the products of the high bf16 halves of a and b, then of the low ones; each product is exact and each sum rounds
   * once. The lanes of `a` and `b` are pairs. Only where `Target.dotBf16`. Subnormal numbers may count as zero.
   */
  | { readonly op: "dotBf16"; readonly dst: F32; readonly a: I32; readonly b: I32Operand }
  | {
      readonly op: "shuffle";
      readonly kind: Shuffle;
      readonly dst: F32 | I32;
      readonly a: F32 | I32;
      readonly b: F32 | I32;
    }
  /** All bits of a lane where the comparison holds, else none; both are of one type. Of a NaN only `ne` holds. */
  | {
      readonly op: "compare";
      readonly kind: LaneComparison;
      readonly dst: I32;
      readonly a: F32 | I32;
      readonly b: F32 | I32;
    }
  /** To nearest even; the value fits. */
  | { readonly op: "toI32"; readonly dst: I32; readonly a: F32 }
  | { readonly op: "toF32"; readonly dst: F32; readonly a: I32 }
  /** The same bits as the other type. */
  | { readonly op: "bits"; readonly dst: F32 | I32; readonly a: F32 | I32 }
  /** Folds halves: lane i with lane i + lanes/2, then i + lanes/4, …; every lane gets the result. */
  | { readonly op: "reduce"; readonly kind: "add" | "max"; readonly dst: F32 | I32; readonly a: F32 | I32 }
  | { readonly op: "prefetch"; readonly at: Address }
  /** `for (i = from; i < to; i += step)`; step is positive, `to` is read once. */
  | {
      readonly op: "for";
      readonly i: Int;
      readonly from: IntOperand;
      readonly to: IntOperand;
      readonly step: number;
      readonly body: readonly Instruction[];
    }
  | {
      readonly op: "if";
      readonly a: Int;
      readonly comparison: Comparison;
      readonly b: IntOperand;
      readonly whenTrue: readonly Instruction[];
      readonly whenFalse: readonly Instruction[];
    };

/** What a kernel may ask of the machine it is compiled for. */
export interface Target {
  readonly lanes: 4 | 8 | 16;
  /** Vector registers a kernel may count on, after the renderer's own. */
  readonly registers: number;
  /** Four u8 × s8 products in one instruction (VNNI). */
  readonly dot4: boolean;
  /** Two bf16 products in one instruction (AVX-512 BF16). */
  readonly dotBf16: boolean;
  /**
   * The cache that prefetch instructions fill. Where the first level can wait for few lines at once (AMD's family 25), it is the
   * second, and a plain stream is read ahead better by the hardware than by instructions.
   */
  readonly fetchInto: 1 | 2;
  /** Where a product of several tokens has an activation that it repeats: in memory, where loading it within the product costs nothing. */
  readonly repeated: "register" | "memory";
}

export interface TileProgram {
  readonly name: string;
  readonly target: Target;
  /** The four inputs, in this order. */
  readonly inputs: { readonly args: Int; readonly begin: Int; readonly end: Int; readonly scratch: Int };
  readonly body: readonly Instruction[];
  readonly variables: number;
}

const accumulates: ReadonlySet<Instruction["op"]> = new Set(["fma", "dot4", "dotBf16", "andOr"] as const);

/** Calls `visit` on each variable an instruction (not its nested bodies) reads or writes. */
export function operands(x: Instruction, visit: (v: Var, written: boolean) => void): void {
  if ("dst" in x) {
    if (accumulates.has(x.op)) visit(x.dst, false);
  }
  if ("at" in x) visitAddress(x.at, visit);
  if ("a" in x) visit(x.a, false);
  if ("b" in x && typeof x.b === "object") {
    if ("from" in x.b) visitAddress(x.b.at, visit);
    else visit(x.b, false);
  }
  if (x.op === "for") {
    if (typeof x.from === "object") visit(x.from, false);
    if (typeof x.to === "object") visit(x.to, false);
    visit(x.i, true);
  }
  if ("dst" in x) visit(x.dst, true);
}

function visitAddress(at: Address, visit: (v: Var, written: boolean) => void): void {
  visit(at.base, false);
  if (at.index !== undefined) visit(at.index, false);
}

/** The number of loops, nested ones included. */
export function countLoops(body: readonly Instruction[]): number {
  return body.reduce((n, x) => {
    if (x.op === "for") return n + 1 + countLoops(x.body);
    return x.op === "if" ? n + countLoops(x.whenTrue) + countLoops(x.whenFalse) : n;
  }, 0);
}

/** True where the body, or one nested in it, assigns the variable. */
export function writes(body: readonly Instruction[], v: Var): boolean {
  return body.some((x) => {
    if ("dst" in x && x.dst.id === v.id) return true;
    if (x.op === "for") return x.i.id === v.id || writes(x.body, v);
    return x.op === "if" && (writes(x.whenTrue, v) || writes(x.whenFalse, v));
  });
}
