/**
 * Tile program → x86-64 machine code, System V calling convention: `kernel(args, begin, end, scratch)`.
 *
 *     tile program ──► registers (linear scan) ──► instructions ──► bytes
 *
 * One instruction of the IR is one or a few of the machine. AVX-512 uses EVEX and 512-bit vectors, AVX2 uses VEX and 256.
 * The last two vector registers and rax, rcx, rdx belong to the renderer.
 */
import { assert } from "../../core/errors.ts";
import {
  type Address,
  type Comparison,
  countLoops,
  type F32Operand,
  type I32Operand,
  type Instruction,
  type Int,
  type IntOperand,
  type Target,
  type TileProgram,
  type Var,
  writes,
} from "../tile.ts";
import { Assembler, type Condition, type Memory, reg, type VectorOp, vop } from "./x64-assembler.ts";
import { compareLanes, i32Ops, part, reduce, shuffle, storeNarrow } from "./x64-lanes.ts";
import { type Allocation, allocate, type Location } from "./x64-registers.ts";

export type X64Level = "x64-avx512" | "x64-avx2";

/** What a level may have: bf16 products need a processor that has them, beside AVX-512; prefetches go where it has room. */
export const x64Targets: Readonly<Record<X64Level, Target>> = {
  "x64-avx512": { lanes: 16, registers: 30, dot4: true, dotBf16: true, fetchInto: 1, repeated: "register" },
  "x64-avx2": { lanes: 8, registers: 14, dot4: false, dotBf16: false, fetchInto: 1, repeated: "register" },
};

const calleeSaved = [reg.rbx, reg.rbp, reg.r12, reg.r13, reg.r14, reg.r15];
const allocatable = [reg.rsi, reg.rdi, reg.r8, reg.r9, reg.r10, reg.r11, ...calleeSaved];
const conditions: Readonly<Record<Comparison, Condition>> = { lt: "l", le: "le", eq: "e", ne: "ne", ge: "ge", gt: "g" };
const inverse: Readonly<Record<Comparison, Condition>> = { lt: "ge", le: "g", eq: "ne", ne: "e", ge: "l", gt: "le" };

export function renderX64(program: TileProgram): Uint8Array {
  return new Renderer(program).render();
}

const word = new DataView(new ArrayBuffer(4));

class Renderer {
  readonly #program: TileProgram;
  readonly #asm: Assembler;
  readonly #where: Allocation;
  readonly #bits: 256 | 512;
  /** Scratch vector registers. */
  readonly #v0: number;
  readonly #v1: number;
  #slots: number;

  constructor(program: TileProgram) {
    const { lanes, registers } = program.target;
    assert(lanes !== 4, () => `${program.name}: x64 has no 4-lane level`);
    this.#program = program;
    this.#asm = new Assembler(lanes === 16);
    this.#bits = lanes === 16 ? 512 : 256;
    this.#v0 = registers;
    this.#v1 = registers + 1;
    this.#where = allocate(
      program,
      allocatable,
      Array.from({ length: registers }, (_, i) => i),
    );
    this.#slots = this.#where.slots;
  }

  render(): Uint8Array {
    // Slots of spilled variables, of the four inputs, and of loop bounds that their own loop overwrites.
    const frame = 8 * (this.#slots + 4 + countLoops(this.#program.body));
    const a = this.#asm;
    const { args, begin, end, scratch } = this.#program.inputs;
    for (const r of calleeSaved) a.push(r);
    a.immediate(5, reg.rsp, frame);
    const entry = [reg.rdi, reg.rsi, reg.rdx, reg.rcx];
    const home = (i: number): Memory => ({ base: reg.rsp, offset: frame - 8 * (i + 1) });
    for (const [i, r] of entry.entries()) a.store(home(i), r);
    for (const [i, v] of [args, begin, end, scratch].entries()) {
      const to = this.#where.of[v.id];
      if (to === undefined) continue;
      if (to.kind === "register") a.mov(to.register, home(i));
      else {
        a.mov(reg.rax, home(i));
        a.store(this.#slot(to.slot), reg.rax);
      }
    }
    this.#block(this.#program.body);
    a.immediate(0, reg.rsp, frame);
    a.vzeroupper();
    for (const r of calleeSaved.toReversed()) a.pop(r);
    a.ret();
    return a.code();
  }

  #slot = (slot: number): Memory => ({ base: reg.rsp, offset: slot * 8 });

  #location(v: Var): Location {
    const found = this.#where.of[v.id];
    assert(found !== undefined, () => `${this.#program.name}: variable ${v.id} has no location`);
    return found;
  }

  /** The register that holds an integer, loaded into `spare` if it lives in memory. */
  #use(v: Int, spare: number): number {
    const at = this.#location(v);
    if (at.kind === "register") return at.register;
    this.#asm.mov(spare, this.#slot(at.slot));
    return spare;
  }

  /** Writes `dst` through `write(register)`; a slot is written through rax. */
  #define(dst: Int, write: (register: number) => void): void {
    const at = this.#location(dst);
    write(at.kind === "register" ? at.register : reg.rax);
    if (at.kind === "slot") this.#asm.store(this.#slot(at.slot), reg.rax);
  }

  /** May use rcx and rdx. */
  #address(at: Address): Memory {
    const base = this.#use(at.base, reg.rdx);
    if (at.index === undefined) return { base, offset: at.offset };
    return { base, index: this.#use(at.index, reg.rcx), scale: at.scale ?? 1, offset: at.offset };
  }

  #vec(v: Var): number {
    const at = this.#location(v);
    assert(at.kind === "register", () => `${this.#program.name}: vector ${v.id} has no register`);
    return at.register;
  }

  #op(o: VectorOp, dst: number, a: number, rm: number | Memory, immediate?: number): void {
    this.#asm.vector(o, this.#bits, dst, a, rm, immediate === undefined ? {} : { immediate });
  }

  #broadcast(dst: number, at: Address): void {
    this.#asm.vector(vop.broadcast, this.#bits, dst, 0, this.#address(at), { scalar: true });
  }

  /** `dst = a op b`, b in a register or in memory. */
  #binary(o: VectorOp, dst: number, a: number, b: F32Operand | I32Operand): void {
    if (!("from" in b)) this.#op(o, dst, a, this.#vec(b));
    else if (b.from === "vector") this.#op(o, dst, a, this.#address(b.at));
    else if (this.#asm.evex && !o.halves) {
      this.#asm.vector(o, this.#bits, dst, a, this.#address(b.at), { repeat: true });
    } else {
      this.#broadcast(this.#v1, b.at);
      this.#op(o, dst, a, this.#v1);
    }
  }

  #block(body: readonly Instruction[]): void {
    for (const x of body) this.#instruction(x);
  }

  #instruction(x: Instruction): void {
    const a = this.#asm;
    switch (x.op) {
      case "int":
        return this.#define(x.dst, (r) => a.movImmediate(r, x.value));
      case "intBinary":
        return this.#intBinary(x);
      case "intLoad":
        return this.#intLoad(x);
      case "intStore": {
        const value = this.#use(x.a, reg.rax);
        const to = this.#address(x.at);
        if (x.size === "u8") return a.store8(to, value);
        return x.size === "u16" ? a.store16(to, value) : a.store32(to, value);
      }
      case "copy":
        if (x.dst.type === "int") {
          const from = this.#use(x.a as Int, reg.rax);
          return this.#define(x.dst as Int, (r) => void (r === from || a.mov(r, from)));
        }
        return this.#move(this.#vec(x.dst), this.#vec(x.a));
      case "for":
        return this.#for(x);
      case "if":
        return this.#if(x);
      case "prefetch":
        return a.prefetch(this.#address(x.at), this.#program.target.fetchInto);
      default:
        return this.#vectorInstruction(x);
    }
  }

  #vectorInstruction(
    x: Exclude<Instruction, { op: "int" | "intBinary" | "intLoad" | "intStore" | "copy" | "for" | "if" | "prefetch" }>,
  ): void {
    const a = this.#asm;
    switch (x.op) {
      case "load":
        return this.#load(x);
      case "broadcast":
        return this.#broadcast(this.#vec(x.dst), x.at);
      case "loadPart":
      case "storePart":
        return this.#part(x);
      case "shuffle":
        return shuffle(a, this.#bits, x.kind, this.#vec(x.dst), this.#vec(x.a), this.#vec(x.b));
      case "splat":
        return this.#splat(this.#vec(x.dst), this.#use(x.a, reg.rax));
      case "constant":
        return this.#constant(this.#vec(x.dst), x.dst.type === "f32", x.value);
      case "store":
        return this.#op(vop.store, this.#vec(x.a), 0, this.#address(x.at));
      case "storeLane":
        return a.vector(vop.storeScalar, 128, this.#vec(x.a), 0, this.#address(x.at), { scalar: true });
      case "storeI8":
      case "storeI16":
        return storeNarrow(a, this.#address(x.at), this.#vec(x.a), x.op === "storeI8" ? 1 : 2, [this.#v0, this.#v1]);
      case "f32Binary":
        return this.#binary(vop[x.kind], this.#vec(x.dst), this.#vec(x.a), x.b);
      case "fma":
        return this.#binary(vop.fma, this.#vec(x.dst), this.#vec(x.a), x.b);
      case "dot4":
      case "dotBf16":
        return this.#binary(vop[x.op], this.#vec(x.dst), this.#vec(x.a), x.b);
      case "f32Unary":
        if (x.kind === "sqrt") return this.#op(vop.sqrt, this.#vec(x.dst), 0, this.#vec(x.a));
        return this.#op(vop.round, this.#vec(x.dst), 0, this.#vec(x.a), 8);
      case "i32Binary":
        return this.#binary(i32Ops[x.kind], this.#vec(x.dst), this.#vec(x.a), x.b);
      case "andOr":
        return this.#andOr(x);
      case "i32Shift": {
        const field = x.kind === "shl" ? 6 : x.kind === "sar" ? 4 : 2;
        return this.#op(x.kind === "shr16" ? vop.shiftW : vop.shiftD, field, this.#vec(x.dst), this.#vec(x.a), x.bits);
      }
      case "compare":
        return this.#compareLanes(x);
      case "toI32":
        return this.#op(vop.toI32, this.#vec(x.dst), 0, this.#vec(x.a));
      case "toF32":
        return this.#op(vop.toF32, this.#vec(x.dst), 0, this.#vec(x.a));
      case "bits":
        return this.#move(this.#vec(x.dst), this.#vec(x.a));
      case "reduce":
        return this.#reduce(x);
    }
  }

  #andOr({ dst, a, b }: Extract<Instruction, { op: "andOr" }>): void {
    if (this.#asm.evex) return this.#binary(vop.andOr, this.#vec(dst), this.#vec(a), b);
    this.#binary(vop.pand, this.#v0, this.#vec(a), b);
    this.#op(vop.por, this.#vec(dst), this.#vec(dst), this.#v0);
  }

  #compareLanes({ kind, dst, a, b }: Extract<Instruction, { op: "compare" }>): void {
    const [d, left, right] = [this.#vec(dst), this.#vec(a), this.#vec(b)];
    compareLanes(this.#asm, this.#bits, kind, a.type === "f32", d, left, right, this.#v0);
  }

  #move(dst: number, from: number): void {
    if (dst !== from) this.#op(vop.move, dst, 0, from);
  }

  #load({ dst, at, as }: Extract<Instruction, { op: "load" }>): void {
    const d = this.#vec(dst);
    const from = this.#address(at);
    const o = { "32": vop.load, u8: vop.loadU8, i8: vop.loadI8, f16: vop.loadF16, bf16: vop.loadU16 }[as];
    this.#op(o, d, 0, from);
    if (as === "bf16") this.#op(vop.shiftD, 6, d, d, 16);
  }

  #part(x: Extract<Instruction, { op: "loadPart" | "storePart" }>): void {
    const memory = this.#address(x.at);
    const [field, load] = x.op === "loadPart" ? [this.#vec(x.dst), true] : [this.#vec(x.a), false];
    part(this.#asm, this.#bits, field, memory, x.count, load, [this.#v0, this.#v1]);
  }

  #splat(dst: number, from: number): void {
    const a = this.#asm;
    if (a.evex) return a.vector(vop.broadcastGpr, this.#bits, dst, 0, from);
    a.vector(vop.moveFromGpr, 128, dst, 0, from);
    this.#op(vop.broadcast, dst, 0, dst);
  }

  #constant(dst: number, float: boolean, value: number): void {
    if (Object.is(value, 0)) return this.#op(vop.pxor, dst, dst, dst);
    if (float) word.setFloat32(0, value);
    else word.setInt32(0, value);
    this.#asm.movImmediate(reg.rax, word.getInt32(0));
    this.#splat(dst, reg.rax);
  }

  #reduce({ kind, dst, a: source }: Extract<Instruction, { op: "reduce" }>): void {
    const float = dst.type === "f32";
    const o = kind === "add" ? (float ? vop.add : vop.paddd) : float ? vop.max : vop.pmaxsd;
    const d = this.#vec(dst);
    this.#move(d, this.#vec(source));
    reduce(this.#asm, this.#bits, o, d, this.#v0);
  }

  #intLoad({ dst, at, size }: Extract<Instruction, { op: "intLoad" }>): void {
    const a = this.#asm;
    const from = this.#address(at);
    this.#define(dst, (r) => {
      if (size === "u8") a.movzx8(r, from);
      else if (size === "u16") a.movzx16(r, from);
      else if (size === "i32") a.movsxd(r, from);
      else a.mov(r, from);
    });
  }

  /** Computes in rax, so that no operand is overwritten before it is read; a cursor that advances is added to in place. */
  #intBinary({ kind, dst, a: left, b }: Extract<Instruction, { op: "intBinary" }>): void {
    const a = this.#asm;
    const from = this.#use(left, reg.rax);
    const to = this.#location(dst);
    if (typeof b === "number" && (kind === "add" || kind === "sub") && to.kind === "register") {
      if (to.register === from) return a.immediate(kind === "add" ? 0 : 5, from, b);
      return a.lea(to.register, { base: from, offset: kind === "add" ? b : -b });
    }
    if (from !== reg.rax) a.mov(reg.rax, from);
    if (typeof b === "number" && kind !== "div" && kind !== "rem" && kind !== "min" && kind !== "max") {
      if (kind === "mul") a.imulImmediate(reg.rax, reg.rax, b);
      else if (kind === "shl" || kind === "shr") a.shiftImmediate(kind, reg.rax, b);
      else a.immediate(({ add: 0, or: 1, and: 4, sub: 5, xor: 6 } as const)[kind], reg.rax, b);
    } else {
      const right = typeof b === "number" ? reg.rcx : this.#use(b, reg.rcx);
      if (typeof b === "number") a.movImmediate(right, b);
      if (kind === "div" || kind === "rem") {
        a.xor32(reg.rdx, reg.rdx);
        a.divide(right);
        if (kind === "rem") a.mov(reg.rax, reg.rdx);
      } else if (kind === "min" || kind === "max") {
        a.cmp(reg.rax, right);
        a.cmov(kind === "min" ? "g" : "l", reg.rax, right);
      } else {
        assert(kind !== "shl" && kind !== "shr", () => `${kind} takes a number`);
        ({ add: a.add, sub: a.sub, mul: a.imul, and: a.and, or: a.or, xor: a.xor })[kind](reg.rax, right);
      }
    }
    this.#define(dst, (r) => void (r === reg.rax || a.mov(r, reg.rax)));
  }

  #compare(left: Int, right: IntOperand): void {
    const from = this.#use(left, reg.rax);
    if (typeof right === "number") this.#asm.immediate(7, from, right);
    else this.#asm.cmp(from, this.#use(right, reg.rcx));
  }

  #if(x: Extract<Instruction, { op: "if" }>): void {
    const a = this.#asm;
    const otherwise = a.label();
    this.#compare(x.a, x.b);
    a.jumpIf(inverse[x.comparison], otherwise);
    this.#block(x.whenTrue);
    if (x.whenFalse.length === 0) return a.bind(otherwise);
    const done = a.label();
    a.jump(done);
    a.bind(otherwise);
    this.#block(x.whenFalse);
    a.bind(done);
  }

  #for({ i, from, to, step, body }: Extract<Instruction, { op: "for" }>): void {
    const a = this.#asm;
    const done = a.label();
    const slot = typeof to === "object" && writes(body, to) ? this.#slots++ : undefined;
    if (slot !== undefined) {
      a.mov(reg.rax, this.#use(to as Int, reg.rax));
      a.store(this.#slot(slot), reg.rax);
    }
    const compare = (): void => {
      if (slot === undefined) this.#compare(i, to);
      else a.cmp(this.#use(i, reg.rax), this.#slot(slot));
    };
    if (typeof from === "number") this.#define(i, (r) => a.movImmediate(r, from));
    else {
      const start = this.#use(from, reg.rax);
      this.#define(i, (r) => void (r === start || a.mov(r, start)));
    }
    compare();
    a.jumpIf(conditions.ge, done);
    a.align(32);
    const top = a.here();
    this.#block(body);
    const at = this.#location(i);
    a.immediate(0, at.kind === "register" ? at.register : this.#slot(at.slot), step);
    compare();
    a.jumpIf(conditions.lt, top);
    a.bind(done);
  }
}
