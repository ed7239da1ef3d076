/** What a program generator knows of the variables in sight: ranges of integers, magnitudes of floats, how many are live. */
import type { F32, I32, Int } from "../compile/tile.ts";
import type { Random } from "../core/random.ts";

/** An integer in [lo, hi]. A mutable one may be written again, within the range. */
export interface IntFact {
  readonly v: Int;
  readonly lo: number;
  readonly hi: number;
  readonly mutable: boolean;
}

/** A vector of numbers of at most this magnitude, never NaN; `whole` if they are integers, which f32 holds exactly. */
export interface FloatFact {
  readonly v: F32;
  readonly bound: number;
  readonly whole: boolean;
  readonly mutable: boolean;
}

interface Scope {
  readonly ints: IntFact[];
  readonly floats: FloatFact[];
  readonly words: I32[];
  /** Scratch slots written by now on every path to here. */
  readonly slots: Set<number>;
}

export const below = (r: Random, n: number): number => Math.floor(r() * n);
export const between = (r: Random, from: number, to: number): number => from + below(r, to - from + 1);

export function pick<T>(r: Random, items: readonly T[]): T {
  const item = items[below(r, items.length)];
  if (item === undefined) throw new Error("bug: nothing to pick from");
  return item;
}

/**
 * The blocks around the point of writing. A variable belongs to the block that makes it, since another path, or a loop of no
 * turns, leaves it unset; vectors count as live until their block ends or gives them up.
 */
export class Scopes {
  readonly #random: Random;
  readonly #vectorsMax: number;
  readonly #stack: Scope[] = [{ ints: [], floats: [], words: [], slots: new Set() }];

  constructor(random: Random, vectorsMax: number) {
    this.#random = random;
    this.#vectorsMax = vectorsMax;
  }

  get #here(): Scope {
    return this.#stack.at(-1)!;
  }
  get depth(): number {
    return this.#stack.length;
  }
  get ints(): readonly IntFact[] {
    return this.#stack.flatMap((s) => s.ints);
  }
  get floats(): readonly FloatFact[] {
    return this.#stack.flatMap((s) => s.floats);
  }
  get words(): readonly I32[] {
    return this.#stack.flatMap((s) => s.words);
  }
  get slots(): readonly number[] {
    return this.#stack.flatMap((s) => [...s.slots]);
  }

  inside(write: () => void): void {
    this.#stack.push({ ints: [], floats: [], words: [], slots: new Set() });
    write();
    this.#stack.pop();
  }

  /** Makes room for `count` more vectors by giving up some of this block's; false where that is not enough. */
  room(count: number): boolean {
    const { floats, words } = this.#here;
    const live = (): number => this.floats.length + this.words.length;
    while (live() + count > this.#vectorsMax) {
      const from = floats.length > words.length ? floats : words;
      if (from.length === 0) return false;
      from.splice(below(this.#random, from.length), 1);
    }
    return true;
  }

  addInt(v: Int, lo: number, hi: number, mutable = false): IntFact {
    const fact = { v, lo, hi, mutable };
    this.#here.ints.push(fact);
    return fact;
  }
  addFloat(v: F32, bound: number, whole: boolean, mutable = false): FloatFact {
    const fact = { v, bound, whole, mutable };
    this.#here.floats.push(fact);
    return fact;
  }
  addWord(v: I32): I32 {
    this.#here.words.push(v);
    return v;
  }
  addSlot(slot: number): void {
    this.#here.slots.add(slot);
  }
}
