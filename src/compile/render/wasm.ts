/**
 * Tile program → a WebAssembly function with 128-bit SIMD: the portable level, for other processors, locked-down hosts and
 * browsers. `int` is i32; every variable is a local and the engine allocates registers. With relaxed SIMD an fma rounds once.
 */
import { assert } from "../../core/errors.ts";
import { floatBits } from "../../core/half.ts";
import type { Address, F32Operand, I32Operand, Instruction, IntOperand, Target, TileProgram, Var } from "../tile.ts";
import { FunctionWriter } from "./wasm-module.ts";
import {
  compare,
  f32Ops,
  i32Ops,
  intOps,
  laneCompare,
  load,
  shifts,
  shuffles,
  simd,
  store,
  swapHalves,
  swapPairs,
  transforms,
} from "./wasm-opcodes.ts";
import { addsUp, loadsMax, type Straight, straight } from "./wasm-straight.ts";

export const wasmTarget: Target = {
  lanes: 4,
  registers: 14,
  dot4: false,
  dotBf16: false,
  fetchInto: 1,
  repeated: "register",
};

/** What relaxed instructions do on this host: where they do not do what the IR asks, several others are written. */
export interface Relaxed {
  /** There is relaxed SIMD. */
  readonly fma: boolean;
  /** Its product of bytes takes the second operand's as unsigned, all 8 bits, as x86 does; that of ARM is signed. */
  readonly madd8: boolean;
}

/** The function's body, for `writeModule`; it has four parameters. */
export function renderWasm(program: TileProgram, relaxed: Relaxed): number[] {
  return new Renderer(program, relaxed).render();
}

/** The function's body that stores at address 0, lane 0, what relaxed `madd8` makes of 255 × 1 + 1 × 1. */
export function madd8Probe(): number[] {
  const f = new FunctionWriter(0).i32(0);
  for (const bytes of [
    [1, 1],
    [255, 1],
  ])
    f.simd(simd.const).op(...bytes, ...new Array<number>(14).fill(0));
  return f.simd(simd.relaxedDot).memory(store.lane32, 0).op(0).body();
}

class Renderer {
  readonly #program: TileProgram;
  readonly #relaxed: Relaxed;
  readonly #f = new FunctionWriter(4);
  readonly #locals = new Map<number, number>();
  readonly #spare: number;
  #straight: Straight = straight([]);
  /** Locals of the runs of words that have been loaded. */
  readonly #loaded = new Map<object, number>();

  constructor(program: TileProgram, relaxed: Relaxed) {
    assert(program.target.lanes === 4, () => `${program.name}: WebAssembly has 4 lanes`);
    this.#program = program;
    this.#relaxed = relaxed;
    this.#spare = this.#f.local("v128");
  }

  render(): number[] {
    const { args, begin, end, scratch } = this.#program.inputs;
    for (const [i, v] of [args, begin, end, scratch].entries()) this.#locals.set(v.id, i);
    this.#block(this.#program.body);
    return this.#f.body();
  }

  #local(v: Var): number {
    const known = this.#locals.get(v.id);
    if (known !== undefined) return known;
    const made = this.#f.local(v.type === "int" ? "i32" : "v128");
    this.#locals.set(v.id, made);
    return made;
  }

  #get = (v: Var): FunctionWriter => this.#f.get(this.#local(v));
  #set = (v: Var): void => void this.#f.set(this.#local(v));
  #int = (v: IntOperand): FunctionWriter => (typeof v === "number" ? this.#f.i32(v) : this.#get(v));

  /** Pushes the address; what is left of the offset goes into the instruction, which cannot hold a negative one. */
  #address({ base, index, scale, offset }: Address): number {
    this.#get(base);
    if (index !== undefined) {
      this.#get(index);
      if (scale !== undefined && scale > 1) this.#f.i32(Math.log2(scale)).op(intOps.shl);
      this.#f.op(intOps.add);
    }
    if (offset >= 0) return offset;
    this.#f.i32(offset).op(intOps.add);
    return 0;
  }

  #load(opcode: readonly number[], at: Address): FunctionWriter {
    this.#straight.loads++;
    const offset = this.#address(at);
    // See `wasm-broadcast.ts`: to loads that change what they load V8 gives no offset in their address.
    const apart = transforms.has(opcode) && !(opcode === load.splat && this.#straight.offsets);
    if (offset > 0 && apart) this.#f.i32(offset).op(intOps.add).memory(opcode, 0);
    else this.#f.memory(opcode, offset);
    return this.#f;
  }

  #broadcast(at: Address): FunctionWriter {
    const word = this.#straight.shared.get(at);
    if (word === undefined) return this.#load(load.splat, at);
    const { run, lane } = word;
    let local = this.#loaded.get(run);
    if (local === undefined) {
      local = this.#f.local("v128");
      this.#loaded.set(run, local);
      this.#load(load.v128, run.from).tee(local);
    } else this.#f.get(local);
    const bytes = [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3];
    return this.#f
      .get(local)
      .simd(simd.shuffle)
      .op(...bytes, ...bytes, ...bytes, ...bytes);
  }

  #operand(x: F32Operand | I32Operand): FunctionWriter {
    if (!("from" in x)) return this.#get(x);
    return x.from === "vector" ? this.#load(load.v128, x.at) : this.#broadcast(x.at);
  }

  #constant(bits: number): FunctionWriter {
    const bytes = [bits & 255, (bits >>> 8) & 255, (bits >>> 16) & 255, bits >>> 24];
    return this.#f.simd(simd.const).op(...bytes, ...bytes, ...bytes, ...bytes);
  }

  #block(body: readonly Instruction[]): void {
    const outer = this.#straight;
    this.#straight = straight(body);
    for (const x of body) {
      if (x.op === "load" || x.op === "broadcast") this.#finishSums();
      this.#instruction(x);
      if ("dst" in x && x.dst.type !== "int" && addsUp(x)) this.#straight.sums.add(x.dst);
    }
    this.#straight = outer;
  }

  #finishSums(): void {
    const { long, loads, sums } = this.#straight;
    if (!long || loads < loadsMax || sums.size === 0) return;
    for (const sum of sums) this.#get(sum).setSink();
    this.#straight = { ...this.#straight, loads: 0, sums: new Set() };
  }

  #instruction(x: Instruction): void {
    switch (x.op) {
      case "int":
        this.#f.i32(x.value);
        return this.#set(x.dst);
      case "copy":
      case "bits":
        this.#get(x.a);
        return this.#set(x.dst);
      case "intBinary":
        return this.#intBinary(x);
      case "intLoad":
        this.#load({ u8: load.u8, u16: load.u16, i32: load.i32, word: load.i32 }[x.size], x.at);
        return this.#set(x.dst);
      case "intStore": {
        const offset = this.#address(x.at);
        return void this.#get(x.a).memory(store[x.size], offset);
      }
      case "for":
        return this.#for(x);
      case "if":
        this.#get(x.a);
        this.#int(x.b).op(compare[x.comparison]).if();
        this.#block(x.whenTrue);
        if (x.whenFalse.length > 0) this.#f.else();
        this.#block(x.whenFalse);
        return void this.#f.end();
      case "prefetch":
        return;
      default:
        return this.#vector(x);
    }
  }

  #intBinary({ kind, dst, a, b }: Extract<Instruction, { op: "intBinary" }>): void {
    this.#get(a);
    if (kind === "min" || kind === "max") {
      this.#int(b);
      this.#get(a);
      this.#int(b)
        .op(compare[kind === "min" ? "lt" : "gt"])
        .op(0x1b);
    } else this.#int(b).op(intOps[kind]);
    this.#set(dst);
  }

  #for({ i, from, to, step, body }: Extract<Instruction, { op: "for" }>): void {
    const limit = this.#f.local("i32");
    this.#int(to).set(limit);
    this.#int(from);
    this.#set(i);
    this.#get(i).get(limit).op(compare.lt).if().loop();
    this.#block(body);
    this.#get(i).i32(step).op(intOps.add).tee(this.#local(i)).get(limit).op(compare.lt).brIf(0).end().end();
  }

  #vector(x: VectorInstruction): void {
    switch (x.op) {
      case "load":
        this.#widen(x);
        return this.#set(x.dst);
      case "broadcast":
        this.#broadcast(x.at);
        return this.#set(x.dst);
      case "splat":
        this.#get(x.a).simd(simd.splatI32);
        return this.#set(x.dst);
      case "constant":
        this.#constant(x.dst.type === "f32" ? floatBits(x.value) : x.value);
        return this.#set(x.dst);
      case "store": {
        const offset = this.#address(x.at);
        return void this.#get(x.a).memory(store.v128, offset);
      }
      case "storePart":
        return this.#storePart(x);
      case "storeLane": {
        const offset = this.#address(x.at);
        return void this.#get(x.a).memory(store.lane32, offset).op(0);
      }
      case "storeI8": {
        const offset = this.#address(x.at);
        this.#get(x.a);
        this.#get(x.a).simd(simd.narrow16).tee(this.#spare).get(this.#spare).simd(simd.narrow8);
        return void this.#f.memory(store.lane32, offset).op(0);
      }
      case "storeI16": {
        const offset = this.#address(x.at);
        this.#get(x.a);
        this.#get(x.a).simd(simd.narrow16);
        return void this.#f.memory(store.lane64, offset).op(0);
      }
      case "loadPart":
        this.#loadPart(x);
        return this.#set(x.dst);
      case "shuffle": {
        const { kind } = x;
        assert(kind !== "evenFours" && kind !== "oddFours", () => `${this.#program.name}: ${kind} of four lanes`);
        this.#get(x.a);
        this.#get(x.b)
          .simd(simd.shuffle)
          .op(...shuffles[kind]);
        return this.#set(x.dst);
      }
      case "reduce":
        return this.#reduce(x);
      default:
        this.#arithmetic(x);
        return this.#set(x.dst);
    }
  }

  #arithmetic(
    x: Exclude<
      VectorInstruction,
      { op: "load" | "loadPart" | "broadcast" | "splat" | "constant" | "shuffle" | "reduce" | Stores }
    >,
  ): void {
    switch (x.op) {
      case "f32Binary":
        if (x.kind === "min" || x.kind === "max") {
          // pmin and pmax give their first operand where neither is less; the IR's give the second.
          this.#operand(x.b);
          return void this.#get(x.a).simd(f32Ops[x.kind]);
        }
        this.#get(x.a);
        return void this.#operand(x.b).simd(f32Ops[x.kind]);
      case "fma":
        if (this.#relaxed.fma) {
          this.#get(x.a);
          this.#operand(x.b);
          return void this.#get(x.dst).simd(simd.relaxedMadd);
        }
        this.#get(x.dst);
        this.#get(x.a);
        return void this.#operand(x.b).simd(simd.mul).simd(simd.add);
      case "f32Unary":
        return void this.#get(x.a).simd(x.kind === "sqrt" ? simd.sqrt : simd.nearest);
      case "i32Binary":
        if (x.kind === "madd8") return this.#madd8(x);
        this.#get(x.a);
        return void this.#operand(x.b).simd(i32Ops[x.kind]);
      case "andOr":
        this.#get(x.dst);
        this.#get(x.a);
        return void this.#operand(x.b).simd(simd.and).simd(simd.or);
      case "i32Shift":
        return void this.#get(x.a).i32(x.bits).simd(shifts[x.kind]);
      case "compare":
        this.#get(x.a);
        return void this.#get(x.b).simd(laneCompare[x.a.type][x.kind]);
      case "toI32":
        return void this.#get(x.a).simd(simd.nearest).simd(simd.toI32);
      case "toF32":
        return void this.#get(x.a).simd(simd.toF32);
      case "dot4":
      case "dotBf16":
        return assert(false, () => `${this.#program.name}: ${x.op} in WebAssembly`);
    }
  }

  #madd8({ a, b }: Extract<Instruction, { op: "i32Binary" }>): void {
    const f = this.#operand(b);
    if (this.#relaxed.madd8) return void this.#get(a).simd(simd.relaxedDot);
    f.set(this.#spare);
    this.#get(a);
    this.#constant(0x00ff00ff).simd(simd.and).get(this.#spare).i32(8).simd(simd.shl16).i32(8).simd(simd.sar16);
    f.simd(simd.mul16);
    this.#get(a).i32(8).simd(simd.shr16).get(this.#spare).i32(8).simd(simd.sar16).simd(simd.mul16).simd(simd.add16);
  }

  #widen({ at, as }: Extract<Instruction, { op: "load" }>): void {
    switch (as) {
      case "32":
        return void this.#load(load.v128, at);
      case "u8":
        return void this.#load(load.low32, at).simd(simd.widen8u).simd(simd.widen16u);
      case "i8":
        return void this.#load(load.low32, at).simd(simd.widen8s).simd(simd.widen16s);
      case "bf16":
        return void this.#load(load.u16x4, at).i32(16).simd(simd.shl);
      case "f16":
        return this.#half(at);
    }
  }

  #loadPart({ at, count }: Extract<Instruction, { op: "loadPart" }>): void {
    if (count === 3) this.#address({ ...at, offset: at.offset + 8 });
    this.#load(count === 1 ? load.low32 : load.low64, at);
    // The lane's address is below the vector; an offset below zero was added to it.
    if (count === 3) this.#f.memory(load.lane32, Math.max(0, at.offset + 8)).op(2);
  }

  #storePart({ at, a, count }: Extract<Instruction, { op: "storePart" }>): void {
    const lanes = (offset: number, opcode: readonly number[], lane: number): void => {
      const rest = this.#address({ ...at, offset });
      this.#get(a).memory(opcode, rest).op(lane);
    };
    lanes(at.offset, count === 1 ? store.lane32 : store.lane64, 0);
    if (count === 3) lanes(at.offset + 8, store.lane32, 2);
  }

  /** Exponent and fraction moved into place and rebiased by 2^112, exact for subnormals; infinities and NaN patched. */
  #half(at: Address): void {
    const [half, magnitude] = [this.#spare, this.#f.local("v128")];
    this.#load(load.u16x4, at).tee(half);
    this.#constant(0x7fff).simd(simd.and).i32(13).simd(shifts.shl).tee(magnitude);
    this.#constant(floatBits(2 ** 112)).simd(simd.mul);
    this.#f.get(magnitude);
    this.#constant(0x0f7fffff).simd(simd.gt);
    this.#constant(0x7f800000).simd(simd.and).simd(simd.or);
    this.#f.get(half);
    this.#constant(0x8000).simd(simd.and).i32(16).simd(shifts.shl).simd(simd.or);
  }

  #reduce({ kind, dst, a }: Extract<Instruction, { op: "reduce" }>): void {
    const float = dst.type === "f32";
    const fold = kind === "add" ? (float ? simd.add : simd.addI) : float ? simd.pmax : simd.maxI;
    this.#get(a).set(this.#spare);
    for (const order of [swapHalves, swapPairs]) {
      // The partner first: see min and max above.
      this.#f
        .get(this.#spare)
        .get(this.#spare)
        .simd(simd.shuffle)
        .op(...order);
      this.#f.get(this.#spare).simd(fold).set(this.#spare);
    }
    this.#f.get(this.#spare);
    this.#set(dst);
  }
}

type Stores = "store" | "storePart" | "storeLane" | "storeI8" | "storeI16";
type Scalar = "int" | "copy" | "bits" | "intBinary" | "intLoad" | "intStore" | "for" | "if" | "prefetch";
type VectorInstruction = Exclude<Instruction, { op: Scalar }>;
