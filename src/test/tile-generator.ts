/**
 * Random tile programs that mean the same on every level, so that memory afterwards is equal bit for bit.
 *
 * What a program may not do is kept out by construction: ranges keep integers within 32 bits and addresses within their
 * regions, magnitudes keep NaN and infinities out, and where the device rounds an fma twice, its operands are integers
 * whose sums f32 holds. All else is drawn: nesting, every instruction, every load, more integers than an x86 has registers,
 * and as many vectors as the target promises.
 */

import type {
  Comparison,
  I32,
  I32Binary,
  I32Shift,
  Int,
  LaneComparison,
  Shuffle,
  Target,
  TileProgram,
} from "../compile/tile.ts";
import { at, TileBuilder } from "../compile/tile-builder.ts";
import { type Random, stream } from "../core/random.ts";
import { bounds, countsMax, middle, regions, sliceBytes } from "./tile-memory.ts";
import { maskInt, Operands } from "./tile-operands.ts";
import { below, between, type FloatFact, type IntFact, pick, Scopes } from "./tile-scope.ts";

const intMax = 2 ** 30;
const exact = 2 ** 24;
const depthMax = 4;
const scratchSlots = 16;
const binary: readonly I32Binary[] = ["add", "sub", "and", "or", "xor", "mul", "madd16", "add16", "min", "max"];
const shuffles: readonly Shuffle[] = ["low", "high", "lowPairs", "highPairs"];
const laneComparisons: readonly LaneComparison[] = ["lt", "le", "eq", "ne"];
const shifts: readonly I32Shift[] = ["shl", "shr", "sar", "shr16"];
/** Of a magnitude of at most 4; 0.1 and 1 / 3 are not f32. */
const constants = [0, -0, 1, -4, 0.1, 1 / 3, 2 ** -149, -(2 ** -130)];
const comparisons: readonly Comparison[] = ["lt", "le", "eq", "ne", "ge", "gt"];

export interface GeneratorOptions {
  readonly target: Target;
  /** The device rounds an fma once. */
  readonly fused: boolean;
}

/** The program of a seed: always the same one. */
export function randomProgram(seed: number, options: GeneratorOptions): TileProgram {
  return new Generator(stream(seed), options).program(`fuzz-${seed}`);
}

class Generator {
  readonly #r: Random;
  readonly #b: TileBuilder;
  readonly #fused: boolean;
  readonly #scopes: Scopes;
  readonly #from: Operands;
  /** Steps left to write. */
  #steps: number;

  constructor(random: Random, { target, fused }: GeneratorOptions) {
    this.#r = random;
    this.#b = new TileBuilder(target);
    this.#fused = fused;
    this.#scopes = new Scopes(random, target.registers);
    this.#from = new Operands(random, this.#b, this.#scopes);
    this.#steps = between(random, 10, 120);
  }

  program(name: string): TileProgram {
    const b = this.#b;
    const pointers = regions.map((region) => [region, b.param()] as const);
    const counts = countsMax.map((most, least) => this.#scopes.addInt(b.param(), least, most));
    const outputs = b.param();
    // Unused parameters would leave their loads dead, which a kernel never does.
    for (const [region, pointer] of pointers) this.#from.place(region, b.add(pointer, middle));
    for (const { v } of counts) b.prefetch(at(this.#from.base("words"), 0, v, 4));
    b.for(b.begin, b.end, 1, (item) => {
      this.#from.slice = b.add(outputs, b.mul(item, sliceBytes));
      this.#scopes.inside(() => this.#item(item));
    });
    return b.finish(name);
  }

  #item(item: Int): void {
    const b = this.#b;
    this.#scopes.addInt(item, 0, 63);
    for (let n = between(this.#r, 0, 18); n > 0; n--) this.#from.newInt();
    for (let n = below(this.#r, b.target.registers); n > 0; n--) this.#newVector();
    while (this.#steps > 0) this.#step();
    if (this.#r() < 0.5) this.#tile();
    const last = this.#from.slice!;
    const vectors = [...this.#scopes.floats.map((f) => f.v), ...this.#scopes.words];
    for (const [i, v] of vectors.entries()) b.store(at(last, sliceBytes / 2 + 64 * i), v);
    for (const [i, { v }] of this.#scopes.ints.entries()) b.storeInt(at(last, sliceBytes - 4 * (i + 1)), v);
  }

  #step(): void {
    this.#steps--;
    const kinds = [
      ...[this.#intStep, this.#intStep, this.#floatStep, this.#floatStep, this.#floatStep, this.#wordStep],
      ...[this.#wordStep, this.#wordStep, this.#changeFloat, this.#changeInt, this.#store, this.#scratch],
      ...[this.#for, this.#if],
    ];
    pick(this.#r, kinds)();
  }

  #block(write: () => void = () => {}): void {
    this.#scopes.inside(() => {
      write();
      for (let n = between(this.#r, 1, 8); n > 0 && this.#steps > 0; n--) this.#step();
    });
  }

  #newVector(): void {
    if (!this.#scopes.room(1)) return;
    if (this.#r() < 0.4) this.#scopes.addWord(this.#b.loadI(this.#from.input("words")));
    else if (this.#r() < 0.5) this.#load();
    else {
      const whole = this.#r() < 0.7;
      const start = this.#b.broadcastF(this.#from.input("wholes"));
      this.#scopes.addFloat(start, whole ? 1024 : 2 ** 30, whole, true);
    }
  }

  /** What a matrix product does: as many accumulators as the target has registers, live through a loop. */
  #tile(): void {
    const b = this.#b;
    const { target } = b;
    while (this.#scopes.words.length + this.#scopes.floats.length < target.registers) {
      this.#scopes.addWord(b.loadI(this.#from.input("words")));
    }
    b.for(0, between(this.#r, 1, 3), 1, () => {
      for (const word of this.#scopes.words) {
        const [x, y] = [this.#from.anyWord(), this.#from.wordOperand()];
        if (target.dot4 && this.#r() < 0.5) b.dot4(word, x, y);
        else b.i32(pick(this.#r, binary), x, y, word);
      }
    });
  }

  // Integers

  #intStep = (): void => {
    if (this.#r() < 0.3) return this.#loadInt();
    const b = this.#b;
    const [x, y] = [this.#from.anyInt(), this.#from.anyInt()];
    const right: IntFact | number = this.#r() < 0.5 ? y : between(this.#r, -5000, 5000);
    const [lo, hi] = typeof right === "number" ? [right, right] : [right.lo, right.hi];
    const operand = typeof right === "number" ? right : right.v;
    const corners = [x.lo * lo, x.lo * hi, x.hi * lo, x.hi * hi];
    const bits = below(this.#r, 5);
    const add = (make: () => Int, least: number, most: number): void => {
      if (least >= -intMax && most <= intMax) this.#scopes.addInt(make(), least, most);
    };
    const kinds: readonly (() => void)[] = [
      () => add(() => b.add(x.v, operand), x.lo + lo, x.hi + hi),
      () => add(() => b.sub(x.v, operand), x.lo - hi, x.hi - lo),
      () => add(() => b.mul(x.v, operand), Math.min(...corners), Math.max(...corners)),
      () => add(() => b.min(x.v, operand), Math.min(x.lo, lo), Math.min(x.hi, hi)),
      () => add(() => b.max(x.v, operand), Math.max(x.lo, lo), Math.max(x.hi, hi)),
      () => add(() => b.and(x.v, maskInt >> bits), 0, maskInt >> bits),
      () => add(() => b.shl(x.v, bits), x.lo * 2 ** bits, x.hi * 2 ** bits),
      () => x.lo >= 0 && add(() => b.shr(x.v, bits), x.lo >> bits, x.hi >> bits),
      () => x.lo >= 0 && lo > 0 && add(() => b.div(x.v, operand), 0, x.hi),
      () => x.lo >= 0 && lo > 0 && add(() => b.rem(x.v, operand), 0, hi - 1),
      () => add(() => b.int(x.v), x.lo, x.hi),
    ];
    pick(this.#r, kinds)();
  };

  #loadInt(): void {
    const b = this.#b;
    const size = pick(this.#r, ["u8", "u16", "i32"] as const);
    const loaded = b.loadInt(this.#from.input("words"), size);
    if (size === "i32") this.#scopes.addInt(b.and(loaded, maskInt), 0, maskInt);
    else this.#scopes.addInt(loaded, 0, size === "u8" ? 255 : 65535);
  }

  #changeInt = (): void => {
    const b = this.#b;
    const mutable = this.#scopes.ints.filter((i) => i.mutable);
    if (mutable.length === 0) return;
    const { v } = pick(this.#r, mutable);
    const other = this.#from.anyInt();
    const kind = below(this.#r, 4);
    if (kind === 0 && other.lo >= 0 && other.hi <= maskInt) return b.assign(v, other.v);
    if (kind === 1) b.sub(other.v, v, v);
    else if (kind === 2) b.mul(v, between(this.#r, -300, 300), v);
    else b.add(v, other.v, v);
    b.and(v, maskInt, v);
  };

  // Floats

  #load(): void {
    const b = this.#b;
    const region = pick(this.#r, ["reals", "wholes", "halves", "brains"] as const);
    const as = { reals: "32", wholes: "32", halves: "f16", brains: "bf16" } as const;
    this.#scopes.addFloat(b.loadF(this.#from.input(region), as[region]), bounds[region], region === "wholes");
  }

  #floatStep = (): void => {
    if (!this.#scopes.room(5)) return;
    const kinds = [this.#load, this.#floatBinary, this.#floatBinary, this.#fma, this.#floatUnary, this.#divide];
    pick(this.#r, kinds).call(this);
  };

  #floatBinary(): void {
    const b = this.#b;
    const x = this.#from.anyFloat();
    const y = this.#from.floatOperand(false);
    const add = (make: () => FloatFact["v"], bound: number): void => {
      if (bound < 2 ** 60) this.#scopes.addFloat(make(), bound, x.whole && y.whole && bound <= exact);
    };
    const kinds: readonly (() => void)[] = [
      () => add(() => b.fadd(x.v, y.value), x.bound + y.bound),
      () => add(() => b.fsub(x.v, y.value), x.bound + y.bound),
      () => add(() => b.fmul(x.v, y.value), x.bound * y.bound),
      () => add(() => b.fmin(x.v, y.value), Math.max(x.bound, y.bound)),
      () => add(() => b.fmax(x.v, y.value), Math.max(x.bound, y.bound)),
    ];
    pick(this.#r, kinds)();
  }

  #floatUnary(): void {
    const b = this.#b;
    const x = this.#from.anyFloat();
    const word = this.#from.anyWord();
    const small = b.target.lanes * x.bound <= exact;
    const sign = (w: I32): I32 => b.i32("and", w, b.constI(0xbfffffff | 0));
    const kinds: readonly (() => void)[] = [
      () => this.#scopes.addFloat(b.sqrt(b.fmax(x.v, b.constF(0))), Math.max(1, x.bound), false),
      () => this.#scopes.addFloat(b.round(x.v), x.bound + 1, x.bound < exact),
      () => this.#scopes.addFloat(b.toF32(word), 2 ** 31, false),
      () => this.#scopes.addFloat(b.bitsF(sign(word)), 2, false),
      () => this.#scopes.addFloat(b.reduce("add", x.v), b.target.lanes * x.bound, x.whole && small),
      () => this.#scopes.addFloat(b.reduce("max", x.v), x.bound, x.whole),
      () => this.#scopes.addFloat(b.copy(x.v), x.bound, x.whole),
      () => this.#scopes.addFloat(b.constF(pick(this.#r, constants)), 4, false),
    ];
    pick(this.#r, kinds)();
  }

  #divide(): void {
    const b = this.#b;
    const [x, y] = [this.#from.anyFloat(), this.#from.floatOperand(false)];
    const divisor = b.fmax(b.constF(0.5), y.value);
    if (x.bound < 2 ** 50) this.#scopes.addFloat(b.fdiv(x.v, divisor), 2 * x.bound, false);
  }

  /** One to four products into a copy; a device that rounds twice gets integers that need no rounding. */
  #fma(): void {
    const whole = !this.#fused || this.#r() < 0.3;
    const start = this.#from.anyFloat((f) => !whole || (f.whole && f.bound < exact / 4));
    const acc = this.#b.copy(start.v);
    let bound = start.bound;
    for (let n = between(this.#r, 1, 4); n > 0; n--) {
      const x = this.#from.anyFloat((f) => !whole || (f.whole && f.bound <= 1024));
      const y = this.#from.floatOperand(whole);
      const next = bound + x.bound * y.bound;
      if (next > (whole ? exact : 2 ** 60)) continue;
      this.#b.fma(acc, x.v, y.value);
      bound = next;
    }
    this.#scopes.addFloat(acc, bound, whole);
  }

  /** Writes an accumulator in place, then brings it back within its bound, so that it holds in loops. */
  #changeFloat = (): void => {
    const b = this.#b;
    if (!this.#scopes.room(3)) return;
    const mutable = this.#scopes.floats.filter((f) => f.mutable);
    if (mutable.length === 0) return;
    const acc = pick(this.#r, mutable);
    const x = this.#from.anyFloat((f) => (f.whole && f.bound <= 1024) || (!acc.whole && f.bound <= 2 ** 20));
    const y = this.#from.floatOperand(acc.whole);
    const kind = below(this.#r, 4);
    const exactly = x.bound * y.bound + acc.bound <= exact && x.whole && y.whole;
    const fusable = acc.whole ? exactly : this.#fused && y.bound <= 2 ** 30;
    if (kind === 0 && x.bound <= acc.bound) return b.assign(acc.v, x.v);
    if (kind === 1 && fusable) b.fma(acc.v, x.v, y.value);
    else if (kind === 2 && x.bound <= 2 ** 20) b.fsub(x.v, acc.v, acc.v);
    else if (y.bound <= exact / 2) b.fadd(acc.v, y.value, acc.v);
    b.fmin(acc.v, b.constF(acc.bound), acc.v);
    b.fmax(acc.v, b.constF(-acc.bound), acc.v);
  };

  // Words: any 32 bits

  #wordStep = (): void => {
    if (!this.#scopes.room(4)) return;
    const b = this.#b;
    const scopes = this.#scopes;
    const [x, y] = [this.#from.anyWord(), this.#from.wordOperand()];
    const shift = (): I32 => {
      const kind = pick(this.#r, shifts);
      return b.shift(kind, x, below(this.#r, kind === "shr16" ? 16 : 32));
    };
    const kinds: readonly (() => unknown)[] = [
      () => scopes.addWord(b.i32(pick(this.#r, binary), x, y)),
      // Sums of products stay within 16 bits: bytes below 128 by any, or any by bytes below 64.
      () => scopes.addWord(b.i32("madd8", b.i32("and", x, b.constI(0x7f7f7f7f)), y)),
      () => scopes.addWord(b.i32("madd8", x, b.i32("and", this.#from.anyWord(), b.constI(0x3f3f3f3f)))),
      () => b.i32(pick(this.#r, binary), x, y, this.#from.anyWord()),
      () => scopes.addWord(shift()),
      () => scopes.addWord(b.loadI(this.#from.input("words"), pick(this.#r, ["32", "u8", "i8"] as const))),
      () => scopes.addWord(b.compare(pick(this.#r, laneComparisons), x, this.#from.anyWord())),
      () => scopes.addWord(b.loadPartI(this.#from.input("words"), between(this.#r, 1, b.target.lanes - 1))),
      () => scopes.addWord(b.shuffle(pick(this.#r, shuffles), x, this.#from.anyWord())),
      () => scopes.addWord(b.broadcastI(this.#from.input("words"))),
      () => scopes.addWord(b.splat(this.#from.anyInt().v)),
      () => scopes.addWord(b.constI(between(this.#r, -(2 ** 31), 2 ** 31 - 1))),
      () => scopes.addWord(b.toI32(this.#from.anyFloat((f) => f.bound < 2 ** 30).v)),
      () => scopes.addWord(b.bitsI(this.#from.anyFloat().v)),
      () => scopes.addWord(b.reduce(this.#r() < 0.5 ? "add" : "max", x)),
      () => scopes.addWord(b.copy(x)),
      () => b.assign(this.#from.anyWord(), x),
      () => b.target.dot4 && b.dot4(this.#from.anyWord(), x, y),
    ];
    pick(this.#r, kinds)();
  };

  // Memory and control

  #store = (): void => {
    if (!this.#scopes.room(3)) return;
    const b = this.#b;
    const word = this.#from.anyWord();
    const float = this.#from.anyFloat().v;
    const to = this.#from.output();
    const kinds: readonly (() => void)[] = [
      () => b.store(to, this.#r() < 0.5 ? word : float),
      () => b.storePart(to, word, between(this.#r, 1, b.target.lanes - 1)),
      () => b.storeLane(to, this.#r() < 0.5 ? word : float),
      () => b.storeI16(to, b.shift("sar", word, between(this.#r, 16, 31))),
      () => b.storeI8(to, b.shift("sar", word, between(this.#r, 24, 31))),
      () => b.storeInt(to, this.#from.anyInt().v, this.#r() < 0.5 ? "u8" : "i32"),
      () => b.prefetch(this.#from.input("reals")),
    ];
    pick(this.#r, kinds)();
  };

  /** Scratch is read only where this item has written it. */
  #scratch = (): void => {
    if (!this.#scopes.room(2)) return;
    const b = this.#b;
    const { slots } = this.#scopes;
    if (slots.length > 0 && this.#r() < 0.5) {
      this.#scopes.addWord(b.loadI(at(b.scratch, 64 * pick(this.#r, slots))));
      return;
    }
    const slot = below(this.#r, scratchSlots);
    b.store(at(b.scratch, 64 * slot), this.#from.anyWord());
    this.#scopes.addSlot(slot);
  };

  #for = (): void => {
    if (this.#scopes.depth >= depthMax) return;
    const b = this.#b;
    const step = between(this.#r, 1, 3);
    const kind = below(this.#r, 3);
    if (kind === 0) {
      const [from, to] = [between(this.#r, -4, 4), between(this.#r, -4, 6)];
      return b.for(from, to, step, (i) => this.#block(() => this.#scopes.addInt(i, from, Math.max(from, to))));
    }
    if (kind === 1) {
      const start = this.#from.anyInt();
      if (start.mutable || start.hi > intMax - 8) return;
      const to = b.add(start.v, between(this.#r, 0, 5));
      return b.for(start.v, to, step, (i) => this.#block(() => this.#scopes.addInt(i, start.lo, start.hi + 5)));
    }
    // The bound is read once, whatever the body does to it; the cursor walks on from turn to turn.
    const to = b.and(this.#from.anyInt().v, 3);
    const cursor = b.int(this.#from.base("words"));
    b.for(0, to, step, (i) => {
      this.#block(() => {
        this.#scopes.addInt(i, 0, 3);
        b.add(to, between(this.#r, 1, 9), to);
        if (this.#scopes.room(1)) this.#scopes.addWord(b.loadI(at(cursor, below(this.#r, 64))));
      });
      b.add(cursor, between(this.#r, 1, 40), cursor);
    });
  };

  #if = (): void => {
    if (this.#scopes.depth >= depthMax) return;
    const [x, y] = [this.#from.anyInt(), this.#from.anyInt()];
    const right = this.#r() < 0.5 ? y.v : between(this.#r, x.lo, x.hi);
    const otherwise = this.#r() < 0.6 ? () => this.#block() : undefined;
    this.#b.if(x.v, pick(this.#r, comparisons), right, () => this.#block(), otherwise);
  };
}
