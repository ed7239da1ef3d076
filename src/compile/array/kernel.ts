/**
 * Nest → tile program. Expressions are evaluated a vector at a time, elements that are not next to each other through a few
 * words of scratch; sums run in 32 parts, whatever the number of lanes, or along the vector, element by element.
 */
import type { ArrayDType } from "../../graph/array.ts";
import { reduce16 } from "../lower/math.ts";
import { vectorsNeeded } from "../render/x64-registers.ts";
import type { F32, I32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { Evaluator, laneTableBytes } from "./evaluate.ts";
import { roundToBf16, select } from "./functions.ts";
import type { Nest, Store } from "./nest.ts";
import { arraysOf, type LoopOrder, orderOf } from "./order.ts";
import { Places } from "./places.ts";

/** Its parameters are `arraysOf` the nest. */
export interface NestKernel {
  readonly program: TileProgram;
  readonly items: number;
}

/** Partial sums of a reduction along vectors. */
const parts = 32;
/** Elements of a work item where a nest is one loop. */
const block = 4096;

export function nestKernel(target: Target, nest: Nest, name: string): NestKernel {
  // Narrow targets have few registers: what does not fit is kept in scratch between operations.
  for (const wide of [true, false]) {
    const kernel = new NestWriter(target, nest, { wide, spill: false }).write(name);
    if (vectorsNeeded(kernel.program) <= target.registers) return kernel;
  }
  return new NestWriter(target, nest, { wide: false, spill: true }).write(name);
}

interface How {
  /** Sums along rows are kept for several vectors of columns at a time. */
  readonly wide: boolean;
  readonly spill: boolean;
}

class NestWriter {
  readonly #b: TileBuilder;
  readonly #nest: Nest;
  readonly #order: LoopOrder;
  readonly #how: How;
  readonly #places: Places;
  readonly #evaluator: Evaluator;

  constructor(target: Target, nest: Nest, how: How) {
    const b = new TileBuilder(target);
    this.#b = b;
    this.#nest = nest;
    this.#how = how;
    this.#order = orderOf(nest);
    const params = new Map(arraysOf(nest).map((node) => [node, b.param()]));
    this.#places = new Places(b, params, this.#order.vector);
    this.#evaluator = new Evaluator(b, this.#places, this.#order.vector, how.spill);
  }

  write(name: string): NestKernel {
    const { stores, fn } = this.#nest;
    for (const { node, form, dtype } of stores) this.#places.declare(node, form, dtype);
    const masked = fn !== undefined && this.#isHorizontal;
    this.#evaluator.prepare(
      stores.map((s) => s.value),
      masked,
    );
    const items = fn === undefined ? this.#elementwise() : this.#isHorizontal ? this.#horizontal() : this.#vertical();
    return { program: this.#b.finish(name), items };
  }

  get #isHorizontal(): boolean {
    const { vector } = this.#order;
    return vector === undefined || this.#nest.loops[vector]!.reduced;
  }

  get #vectorExtent(): number {
    const { vector } = this.#order;
    return vector === undefined ? 1 : this.#nest.loops[vector]!.extent;
  }

  #extent = (j: number): number => this.#nest.loops[j]!.extent;

  /** Loops from `from` on of the order, those that are reduced or those that are not. */
  #loops(list: readonly number[], body: () => void): void {
    const [j, ...rest] = list;
    if (j === undefined) return body();
    this.#b.for(0, this.#extent(j), 1, (index) => this.#places.within(j, index, () => this.#loops(rest, body)));
  }

  /** Runs `body` for each work item, `blocks` to each turn of the item loops. Gives the number of items. */
  #items(blocks: number, body: (block: Int | undefined) => void): number {
    const b = this.#b;
    const { outer, items } = this.#order;
    const list = outer.slice(0, items);
    b.for(b.begin, b.end, 1, (item) => {
      let rest: Int = item;
      const indices: (readonly [number, Int])[] = [];
      let part: Int | undefined;
      if (blocks > 1) {
        part = list.length === 0 ? rest : b.rem(rest, blocks);
        if (list.length > 0) rest = b.div(rest, blocks);
      }
      for (const [k, j] of list.toReversed().entries()) {
        const last = k === list.length - 1;
        indices.push([j, last ? rest : b.rem(rest, this.#extent(j))]);
        if (!last) rest = b.div(rest, this.#extent(j));
      }
      const enter = (k: number): void => {
        const next = indices[k];
        if (next === undefined) return body(part);
        this.#places.within(next[0], next[1], () => enter(k + 1));
      };
      enter(0);
    });
    return list.reduce((n, j) => n * this.#extent(j), blocks);
  }

  #elementwise(): number {
    const b = this.#b;
    const { lanes } = b.target;
    const { outer, items } = this.#order;
    const n = this.#vectorExtent;
    const whole = n - (n % lanes);
    const inner = outer.slice(items);
    const body = (i: Int | undefined, count?: number): void => {
      const values = this.#nest.stores.map(({ value }) => value);
      const computed = this.#evaluator.evaluate(values, i, 0, count);
      for (const [k, store] of this.#nest.stores.entries()) this.#store(store, computed[k]!, i, count);
    };
    const tail = (): void => {
      if (whole < n) body(whole === 0 ? undefined : b.int(whole), n - whole);
    };
    const blocks = outer.length === 0 ? Math.max(1, Math.ceil(n / block)) : 1;
    if (blocks === 1) {
      return this.#items(1, () =>
        this.#loops(inner, () => {
          if (whole > 0) b.for(0, whole, lanes, (i) => body(i));
          tail();
        }),
      );
    }
    return this.#items(blocks, (part) => {
      const from = b.mul(part!, block);
      b.for(from, b.min(b.add(from, block), whole), lanes, (i) => body(i));
      if (whole < n) b.if(part!, "eq", blocks - 1, tail);
    });
  }

  #store({ node, form, dtype }: Store, value: F32 | I32, i: Int | undefined, count?: number): void {
    const b = this.#b;
    const { vector } = this.#order;
    const { lanes } = b.target;
    const term = vector === undefined ? 0 : form.terms[vector]!;
    const place = (ahead: number) => this.#places.address(node, form, dtype, i, ahead);
    const words = dtype === "bf16" ? b.shift("sar", b.bitsI(value as F32), 16) : value;
    if (term === 1 && count === undefined) {
      if (dtype === "bf16") b.storeI16(place(0), words as I32);
      else b.store(place(0), words);
    } else if (term === 1 && dtype !== "bf16") b.storePart(place(0), words, count!);
    else if (count === 1 || vector === undefined) this.storeOne(dtype, place(0), words);
    else {
      b.store(at(b.scratch, laneTableBytes), words);
      for (let l = 0; l < (count ?? lanes); l++) {
        const size = dtype === "bf16" ? "u16" : "i32";
        b.storeInt(place(l), b.loadInt(at(b.scratch, laneTableBytes + 4 * l)), size);
      }
    }
  }

  storeOne(dtype: ArrayDType, place: ReturnType<Places["address"]>, words: F32 | I32): void {
    const b = this.#b;
    if (dtype !== "bf16") return b.storeLane(place, words);
    b.storeLane(at(b.scratch, laneTableBytes), words);
    b.storeInt(place, b.loadInt(at(b.scratch, laneTableBytes)), "u16");
  }

  #identity = (): F32 => this.#b.constF(this.#nest.fn === "sum" ? 0 : Number.NEGATIVE_INFINITY);

  /** into = into + v, or the greater of them; what is NaN stays. */
  #fold(into: F32, v: F32, nan: I32 | undefined): void {
    const b = this.#b;
    if (this.#nest.fn === "sum") return void b.fadd(into, v, into);
    b.fmax(into, v, into);
    b.i32("or", nan!, b.compare("ne", v, v), nan);
  }

  #one(i: Int | undefined, ahead: number, count?: number): F32 {
    return this.#evaluator.evaluate([this.#nest.stores[0]!.value], i, ahead, count)[0] as F32;
  }

  #finish(v: F32): F32 {
    return this.#nest.stores[0]!.dtype === "bf16" ? roundToBf16(this.#b, v) : v;
  }

  #horizontal(): number {
    const b = this.#b;
    const { lanes } = b.target;
    const { outer, items } = this.#order;
    const n = this.#vectorExtent;
    const whole = n - (n % parts);
    const [store] = this.#nest.stores as [Store];
    const inner = outer.slice(items);
    const kept = inner.filter((j) => !this.#nest.loops[j]!.reduced);
    const reduced = inner.filter((j) => this.#nest.loops[j]!.reduced);
    const used = Math.min(parts / lanes, Math.ceil(n / lanes));
    return this.#items(1, () =>
      this.#loops(kept, () => {
        const sums = Array.from({ length: used }, () => this.#identity());
        const nan = this.#nest.fn === "max" ? b.constI(0) : undefined;
        this.#loops(reduced, () => {
          if (whole > 0)
            b.for(0, whole, parts, (i) => {
              for (const [p, sum] of sums.entries()) this.#fold(sum, this.#one(i, p * lanes), nan);
            });
          const i = whole === 0 ? undefined : b.int(whole);
          for (let p = 0; whole + p * lanes < n; p++) {
            const count = Math.min(lanes, n - whole - p * lanes);
            if (count === lanes) this.#fold(sums[p]!, this.#one(i, p * lanes), nan);
            else {
              const v = this.#one(i, p * lanes, count);
              this.#fold(sums[p]!, select(b, this.#evaluator.firstLanes(count), v, this.#identity()), nan);
            }
          }
        });
        const total = this.#finish(this.#total(sums, nan));
        const words = store.dtype === "bf16" ? b.shift("sar", b.bitsI(total), 16) : total;
        this.storeOne(store.dtype, this.#places.address(store.node, store.form, store.dtype, undefined), words);
      }),
    );
  }

  #total(sums: readonly F32[], nan: I32 | undefined): F32 {
    const b = this.#b;
    const fn = this.#nest.fn === "sum" ? "add" : "max";
    const all = Array.from({ length: parts / b.target.lanes }, (_, p) => sums[p]);
    let level = all;
    while (level.length > 16 / b.target.lanes) {
      const half = level.length / 2;
      level = level.slice(0, half).map((low, p) => {
        const high = level[p + half];
        if (low === undefined || high === undefined) return low;
        return fn === "add" ? b.fadd(low, high) : b.fmax(low, high);
      });
    }
    const total = reduce16(
      b,
      fn,
      level.map((v) => v ?? this.#identity()),
    );
    if (nan === undefined) return total;
    const none = b.compare("ne", b.reduce("max", b.i32("and", nan, b.constI(1))), b.constI(0));
    return select(b, none, b.constF(Number.NaN), total);
  }

  #vertical(): number {
    const b = this.#b;
    const { lanes } = b.target;
    const { outer, items } = this.#order;
    const n = this.#vectorExtent;
    const [store] = this.#nest.stores as [Store];
    const inner = outer.slice(items);
    const kept = inner.filter((j) => !this.#nest.loops[j]!.reduced);
    const reduced = inner.filter((j) => this.#nest.loops[j]!.reduced);
    const widest = this.#how.wide ? lanes / 2 : 1;
    const wide = Math.min(widest, Math.ceil(n / lanes));
    const step = wide * lanes;
    const blocks = Math.ceil(n / step);
    const columns = (i: Int | undefined, counts: readonly number[]): void => {
      const sums = counts.map(() => this.#identity());
      const nans = counts.map(() => (this.#nest.fn === "max" ? b.constI(0) : undefined));
      this.#loops(reduced, () => {
        for (const [p, count] of counts.entries())
          this.#fold(sums[p]!, this.#one(i, p * lanes, count < lanes ? count : undefined), nans[p]);
      });
      for (const [p, count] of counts.entries()) {
        const nan = nans[p];
        const v = nan === undefined ? sums[p]! : select(b, nan, b.constF(Number.NaN), sums[p]!);
        const from = p === 0 ? i : i === undefined ? b.int(p * lanes) : b.add(i, p * lanes);
        this.#store(store, this.#finish(v), from, count < lanes ? count : undefined);
      }
    };
    const countsOf = (width: number): number[] =>
      Array.from({ length: Math.ceil(width / lanes) }, (_, p) => Math.min(lanes, width - p * lanes));
    const last = n - (blocks - 1) * step;
    if (blocks === 1) return this.#items(1, () => this.#loops(kept, () => columns(undefined, countsOf(n))));
    return this.#items(blocks, (part) =>
      this.#loops(kept, () => {
        const i = b.mul(part!, step);
        if (last === step) columns(i, countsOf(step));
        else
          b.if(
            part!,
            "lt",
            blocks - 1,
            () => columns(i, countsOf(step)),
            () => columns(i, countsOf(last)),
          );
      }),
    );
  }
}
