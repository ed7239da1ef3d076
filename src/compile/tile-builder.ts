/** Writes a tile program: one method an instruction, control flow as callbacks. */
import { assert } from "../core/errors.ts";
import type {
  Address,
  Comparison,
  F32,
  F32Binary,
  F32Operand,
  I32,
  I32Binary,
  I32Operand,
  I32Shift,
  Instruction,
  Int,
  IntBinary,
  IntOperand,
  LaneComparison,
  MemoryOperand,
  Shuffle,
  Target,
  TileProgram,
  Var,
  VarType,
  VectorLoad,
} from "./tile.ts";

/** `at(base)`, `at(base, offset)`, `at(base, offset, index, scale)`: an address in bytes. */
export function at(base: Int, offset = 0, index?: Int, scale: 1 | 2 | 4 | 8 = 1): Address {
  return index === undefined ? { base, offset } : { base, offset, index, scale };
}

export const vector = (address: Address): MemoryOperand => ({ from: "vector", at: address });
export const broadcast = (address: Address): MemoryOperand => ({ from: "broadcast", at: address });

export class TileBuilder {
  readonly target: Target;
  readonly begin: Int;
  readonly end: Int;
  readonly scratch: Int;
  readonly #args: Int;
  #variables = 0;
  #params = 0;
  #body: Instruction[] = [];

  constructor(target: Target) {
    this.target = target;
    this.#args = this.#var("int");
    this.begin = this.#var("int");
    this.end = this.#var("int");
    this.scratch = this.#var("int");
  }

  #var<T extends VarType>(type: T): Var<T> {
    return { id: this.#variables++, type };
  }

  #emit<V extends Var>(dst: V, instruction: Instruction): V {
    this.#body.push(instruction);
    return dst;
  }

  /** The next parameter: an address, or a number. */
  param(): Int {
    const dst = this.#var("int");
    return this.#emit(dst, { op: "intLoad", dst, at: at(this.#args, 8 * this.#params++), size: "word" });
  }

  int(value: IntOperand): Int {
    const dst = this.#var("int");
    return this.#emit(dst, typeof value === "number" ? { op: "int", dst, value } : { op: "copy", dst, a: value });
  }

  #int(kind: IntBinary, a: Int, b: IntOperand, into?: Int): Int {
    const dst = into ?? this.#var("int");
    return this.#emit(dst, { op: "intBinary", kind, dst, a, b });
  }
  add = (a: Int, b: IntOperand, into?: Int): Int => this.#int("add", a, b, into);
  sub = (a: Int, b: IntOperand, into?: Int): Int => this.#int("sub", a, b, into);
  mul = (a: Int, b: IntOperand, into?: Int): Int => this.#int("mul", a, b, into);
  shl = (a: Int, b: number, into?: Int): Int => this.#int("shl", a, b, into);
  shr = (a: Int, b: number, into?: Int): Int => this.#int("shr", a, b, into);
  and = (a: Int, b: number, into?: Int): Int => this.#int("and", a, b, into);
  or = (a: Int, b: IntOperand, into?: Int): Int => this.#int("or", a, b, into);
  xor = (a: Int, b: number, into?: Int): Int => this.#int("xor", a, b, into);
  div = (a: Int, b: IntOperand, into?: Int): Int => this.#int("div", a, b, into);
  rem = (a: Int, b: IntOperand, into?: Int): Int => this.#int("rem", a, b, into);
  min = (a: Int, b: IntOperand, into?: Int): Int => this.#int("min", a, b, into);
  max = (a: Int, b: IntOperand, into?: Int): Int => this.#int("max", a, b, into);

  loadInt(address: Address, size: "u8" | "u16" | "i32" | "word" = "i32"): Int {
    const dst = this.#var("int");
    return this.#emit(dst, { op: "intLoad", dst, at: address, size });
  }
  storeInt(address: Address, a: Int, size: "u8" | "u16" | "i32" = "i32"): void {
    this.#body.push({ op: "intStore", at: address, a, size });
  }

  loadF(address: Address, as: Exclude<VectorLoad, "u8" | "i8"> = "32"): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "load", dst, at: address, as });
  }
  loadI(address: Address, as: "32" | "u8" | "i8" = "32"): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "load", dst, at: address, as });
  }
  loadPartF(address: Address, count: number): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "loadPart", dst, at: address, count: this.#part(count) });
  }
  loadPartI(address: Address, count: number): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "loadPart", dst, at: address, count: this.#part(count) });
  }
  #part(count: number): number {
    const { lanes } = this.target;
    assert(Number.isInteger(count) && count > 0 && count < lanes, () => `${count} of ${lanes} lanes are no part`);
    return count;
  }
  broadcastF(address: Address): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "broadcast", dst, at: address });
  }
  broadcastI(address: Address): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "broadcast", dst, at: address });
  }
  splat(a: Int): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "splat", dst, a });
  }
  constF(value: number): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "constant", dst, value });
  }
  constI(value: number): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "constant", dst, value });
  }
  copy<V extends F32 | I32>(a: V): V {
    const dst = this.#var(a.type) as V;
    return this.#emit(dst, { op: "copy", dst, a });
  }
  assign<V extends Var>(dst: V, a: V): void {
    this.#body.push({ op: "copy", dst, a });
  }

  store = (address: Address, a: F32 | I32): void => void this.#body.push({ op: "store", at: address, a });
  storePart(address: Address, a: F32 | I32, count: number): void {
    this.#body.push({ op: "storePart", at: address, a, count: this.#part(count) });
  }
  storeLane = (address: Address, a: F32 | I32): void => void this.#body.push({ op: "storeLane", at: address, a });
  storeI8 = (address: Address, a: I32): void => void this.#body.push({ op: "storeI8", at: address, a });
  storeI16 = (address: Address, a: I32): void => void this.#body.push({ op: "storeI16", at: address, a });
  prefetch = (address: Address): void => void this.#body.push({ op: "prefetch", at: address });

  #f32(kind: F32Binary, a: F32, b: F32Operand, into?: F32): F32 {
    const dst = into ?? this.#var("f32");
    return this.#emit(dst, { op: "f32Binary", kind, dst, a, b });
  }
  fadd = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("add", a, b, into);
  fsub = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("sub", a, b, into);
  fmul = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("mul", a, b, into);
  fdiv = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("div", a, b, into);
  fmin = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("min", a, b, into);
  fmax = (a: F32, b: F32Operand, into?: F32): F32 => this.#f32("max", a, b, into);
  /** acc += a * b */
  fma = (acc: F32, a: F32, b: F32Operand): F32 => this.#emit(acc, { op: "fma", dst: acc, a, b });
  sqrt(a: F32): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "f32Unary", kind: "sqrt", dst, a });
  }
  round(a: F32): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "f32Unary", kind: "round", dst, a });
  }

  i32(kind: I32Binary, a: I32, b: I32Operand, into?: I32): I32 {
    const dst = into ?? this.#var("i32");
    return this.#emit(dst, { op: "i32Binary", kind, dst, a, b });
  }
  /** acc |= a & b */
  andOr = (acc: I32, a: I32, b: I32Operand): I32 => this.#emit(acc, { op: "andOr", dst: acc, a, b });
  shift(kind: I32Shift, a: I32, bits: number): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "i32Shift", kind, dst, a, bits });
  }
  dot4(acc: I32, a: I32, b: I32Operand): I32 {
    assert(this.target.dot4, () => "dot4 on a target without it");
    return this.#emit(acc, { op: "dot4", dst: acc, a, b });
  }
  dotBf16(acc: F32, a: I32, b: I32Operand): F32 {
    assert(this.target.dotBf16, () => "dotBf16 on a target without it");
    return this.#emit(acc, { op: "dotBf16", dst: acc, a, b });
  }
  shuffle<V extends F32 | I32>(kind: Shuffle, a: V, b: V): V {
    assert(this.target.lanes > 4 || !kind.endsWith("Fours"), () => "a vector of four lanes has one four");
    const dst = this.#var(a.type) as V;
    return this.#emit(dst, { op: "shuffle", kind, dst, a, b });
  }
  /** A mask: all bits of a lane where the comparison holds, else none. */
  compare<V extends F32 | I32>(kind: LaneComparison, a: V, b: V): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "compare", kind, dst, a, b });
  }
  toI32(a: F32): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "toI32", dst, a });
  }
  toF32(a: I32): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "toF32", dst, a });
  }
  bitsF(a: I32): F32 {
    const dst = this.#var("f32");
    return this.#emit(dst, { op: "bits", dst, a });
  }
  bitsI(a: F32): I32 {
    const dst = this.#var("i32");
    return this.#emit(dst, { op: "bits", dst, a });
  }
  reduce<V extends F32 | I32>(kind: "add" | "max", a: V): V {
    const dst = this.#var(a.type) as V;
    return this.#emit(dst, { op: "reduce", kind, dst, a });
  }

  #block(write: () => void): readonly Instruction[] {
    const outer = this.#body;
    const inner: Instruction[] = [];
    this.#body = inner;
    write();
    this.#body = outer;
    return inner;
  }

  for(from: IntOperand, to: IntOperand, step: number, write: (i: Int) => void): void {
    const i = this.#var("int");
    const body = this.#block(() => write(i));
    this.#body.push({ op: "for", i, from, to, step, body });
  }

  if(a: Int, comparison: Comparison, b: IntOperand, whenTrue: () => void, whenFalse: () => void = () => {}): void {
    const first = this.#block(whenTrue);
    const second = this.#block(whenFalse);
    this.#body.push({ op: "if", a, comparison, b, whenTrue: first, whenFalse: second });
  }

  finish(name: string): TileProgram {
    const inputs = { args: this.#args, begin: this.begin, end: this.end, scratch: this.scratch };
    return { name, target: this.target, inputs, body: this.#body, variables: this.#variables };
  }
}
