/** Operands for random instructions: variables in sight, made where there are none, and memory of a kind that fits. */

import type { Address, F32Operand, I32, I32Operand, Int } from "../compile/tile.ts";
import { at, broadcast, type TileBuilder, vector } from "../compile/tile-builder.ts";
import type { Random } from "../core/random.ts";
import { bounds, type RegionName, sliceBytes } from "./tile-memory.ts";
import { below, between, type FloatFact, type IntFact, pick, type Scopes } from "./tile-scope.ts";

/** Mutable integers, and indexes of input regions in magnitude, are at most this. */
export const maskInt = 4095;

export class Operands {
  readonly #r: Random;
  readonly #b: TileBuilder;
  readonly #scopes: Scopes;
  readonly #bases = new Map<RegionName, Int>();
  /** This item's slice of the output. */
  slice: Int | undefined;

  constructor(random: Random, builder: TileBuilder, scopes: Scopes) {
    this.#r = random;
    this.#b = builder;
    this.#scopes = scopes;
  }

  /** `middle` is the address of the region's middle. */
  place(region: RegionName, middle: Int): void {
    this.#bases.set(region, middle);
  }

  base(region: RegionName): Int {
    return this.#bases.get(region)!;
  }

  newInt(): IntFact {
    const mutable = this.#r() < 0.4;
    const value = mutable ? below(this.#r, maskInt + 1) : between(this.#r, -5000, 5000);
    return this.#scopes.addInt(this.#b.int(value), mutable ? 0 : value, mutable ? maskInt : value, mutable);
  }

  anyInt(): IntFact {
    return this.#scopes.ints.length > 0 ? pick(this.#r, this.#scopes.ints) : this.newInt();
  }

  #index(fits: (i: IntFact) => boolean): Int | undefined {
    const found = this.#scopes.ints.filter(fits);
    return found.length > 0 && this.#r() < 0.6 ? pick(this.#r, found).v : undefined;
  }

  /** Within a region of floats an address falls on an element: any other four bytes could be a NaN. */
  input(region: RegionName): Address {
    const element = region === "words" ? 1 : region === "halves" || region === "brains" ? 2 : 4;
    const index = this.#index((i) => i.lo >= -maskInt && i.hi <= maskInt);
    const scales = ([1, 2, 4, 8] as const).filter((scale) => scale >= element);
    const offset = element * between(this.#r, -4096 / element, 4096 / element - 1);
    return at(this.base(region), offset, index, index === undefined ? 1 : pick(this.#r, scales));
  }

  output(): Address {
    const index = this.#index((i) => i.lo >= 0 && i.hi <= 255);
    const offset = below(this.#r, sliceBytes / 2 - 255 * 8 - 64);
    return at(this.slice!, offset, index, index === undefined ? 1 : pick(this.#r, [1, 2, 4, 8] as const));
  }

  anyFloat(fits: (f: FloatFact) => boolean = () => true): FloatFact {
    const found = this.#scopes.floats.filter(fits);
    if (found.length > 0) return pick(this.#r, found);
    return this.#scopes.addFloat(this.#b.loadF(this.input("wholes")), bounds.wholes, true);
  }

  /** A float, whole if asked for, from a variable or from memory. */
  floatOperand(whole: boolean): { readonly value: F32Operand; readonly bound: number; readonly whole: boolean } {
    if (this.#r() < 0.5) {
      const fact = this.anyFloat((f) => f.whole || !whole);
      return { value: fact.v, bound: fact.bound, whole: fact.whole };
    }
    const region = whole || this.#r() < 0.5 ? "wholes" : "reals";
    const value = (this.#r() < 0.5 ? vector : broadcast)(this.input(region));
    return { value, bound: bounds[region], whole: region === "wholes" };
  }

  anyWord(): I32 {
    const { words } = this.#scopes;
    return words.length > 0 ? pick(this.#r, words) : this.#scopes.addWord(this.#b.loadI(this.input("words")));
  }

  wordOperand(): I32Operand {
    if (this.#r() < 0.5) return this.anyWord();
    return (this.#r() < 0.5 ? vector : broadcast)(this.input("words"));
  }
}
