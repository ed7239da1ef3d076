/**
 * GPUs, one by one, to the champion of all comparisons (Alg. 1): jobs are gone through in the order of their arrival, and the winner of
 * each pair goes on to the next. Who beats whom is not transitive, so the order counts, and each step finds just whom that walk would
 * end with.
 *
 * Jobs without GPUs beat all whose next GPU gains less than the one before, and lose only to shorter ones: they need no walk but
 * where somebody is as good with the next GPU. A walk is taken up where the last winner stands: until there it ends as it did.
 */
import { beats, type Sharer } from "./sharer.ts";
import type { Sharers } from "./sharers.ts";

export function deal(sharers: Sharers, total: number): void {
  const dealing = new Dealing(sharers);
  for (let free = total; free > 0; free--) if (!dealing.one()) break;
}

class Dealing {
  readonly #sharers: Sharers;
  /** Who has something and can use more, by place. */
  readonly #open: Sharer[] = [];
  /** Before each of them, and behind the last: the first of the shortest of those that have nothing, up to the one before. */
  readonly #gaps: (Sharer | undefined)[];
  /** The champion when each of them was compared, of the first `#valid`. */
  readonly #champions: (Sharer | undefined)[] = [];
  #valid = 0;
  /** Those of them that gain as much from the next GPU as from all before. */
  readonly #strong = new Set<Sharer>();
  /** The first of the shortest of all that have nothing. */
  #zero: Sharer | undefined;

  constructor(sharers: Sharers) {
    this.#sharers = sharers;
    this.#zero = sharers.least(0, Number.POSITIVE_INFINITY);
    this.#gaps = [this.#zero];
  }

  /** One GPU more; whether anybody can use it. */
  one(): boolean {
    const winner = this.#isSure() ? this.#zero : this.#walk();
    if (winner === undefined) return false;
    const at = this.#indexOf(winner.place);
    if (winner.gpus === 0) this.#begin(winner, at);
    else this.#goOn(winner, at);
    this.#valid = Math.min(this.#valid, at);
    return true;
  }

  /** Whether the shortest of those that have nothing beats all before it and loses to none behind it. */
  #isSure(): boolean {
    if (this.#zero === undefined) return false;
    for (const { length } of this.#strong) if (length <= this.#zero.length) return false;
    return true;
  }

  /** The first GPU of a job in this gap. */
  #begin(sharer: Sharer, at: number): void {
    const [open, gaps, sharers] = [this.#open, this.#gaps, this.#sharers];
    sharers.give(sharer, 1);
    if (sharer === this.#zero) this.#zero = sharers.least(0, Number.POSITIVE_INFINITY);
    const { place } = sharer;
    const from = at === 0 ? 0 : open[at - 1]!.place + 1;
    const to = open[at]?.place ?? Number.POSITIVE_INFINITY;
    const shortest = gaps[at];
    if (sharer.gpus === sharer.most) {
      if (shortest === sharer) gaps[at] = sharers.least(from, to);
      return;
    }
    if (sharer.gainWithout >= 1) this.#strong.add(sharer);
    open.splice(at, 0, sharer);
    const before = shortest !== undefined && shortest.place < place ? shortest : sharers.least(from, place);
    const behind = shortest !== undefined && shortest.place > place ? shortest : sharers.least(place + 1, to);
    gaps.splice(at, 1, before, behind);
  }

  /** One GPU more for a job that has some. */
  #goOn(sharer: Sharer, at: number): void {
    this.#strong.delete(sharer);
    this.#sharers.give(sharer, sharer.gpus + 1);
    if (sharer.gpus === sharer.most) {
      this.#open.splice(at, 1);
      const [before, behind] = [this.#gaps[at], this.#gaps[at + 1]];
      this.#gaps.splice(at, 2, before !== undefined && !(behind && behind.length < before.length) ? before : behind);
    } else if (sharer.gainWithout >= 1) this.#strong.add(sharer);
  }

  /** Of the first that stands there or behind. */
  #indexOf(place: number): number {
    let [low, high] = [0, this.#open.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#open[middle]!.place < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #walk(): Sharer | undefined {
    const [open, gaps, champions] = [this.#open, this.#gaps, this.#champions];
    let best = champions[this.#valid - 1];
    for (let i = this.#valid; i < open.length; i++) {
      const sharer = open[i]!;
      best = afterGap(best, gaps[i]);
      if (best === undefined || beats(sharer, best)) best = sharer;
      champions[i] = best;
    }
    this.#valid = open.length;
    return afterGap(best, gaps[open.length]);
  }
}

/** Of some who have nothing only the shortest can be champion: it beats all whose next GPU gains less than the one before. */
function afterGap(best: Sharer | undefined, shortest: Sharer | undefined): Sharer | undefined {
  if (shortest === undefined || best === undefined) return shortest ?? best;
  return beats(shortest, best) ? shortest : best;
}
