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

const nobody = -1;

class Dealing {
  readonly #sharers: Sharers;
  /** Who has something and can use more, by place. */
  readonly #open: Sharer[] = [];
  /**
   * The champion when each of them was compared, of the first `#valid`; where it was one of those that have nothing, only the place is
   * kept since when: it is the shortest from there on, and is looked for when it matters.
   */
  readonly #champions: (Sharer | undefined)[] = [];
  readonly #since: number[] = [];
  #valid = 0;
  /** Those of them that gain as much from the next GPU as from all before. */
  readonly #strong = new Set<Sharer>();
  /** The first of the shortest of those that have nothing. */
  #zero: Sharer | undefined;

  constructor(sharers: Sharers) {
    this.#sharers = sharers;
    this.#zero = sharers.least(0, Number.POSITIVE_INFINITY);
  }

  /** One GPU more; whether anybody can use it. */
  one(): boolean {
    const winner = this.#isSure() ? this.#zero : this.#walk();
    if (winner === undefined) return false;
    this.#give(winner);
    return true;
  }

  /** Whether the shortest of those that have nothing beats all before it and loses to none behind it. */
  #isSure(): boolean {
    if (this.#zero === undefined) return false;
    for (const { length } of this.#strong) if (length <= this.#zero.length) return false;
    return true;
  }

  #give(sharer: Sharer): void {
    const fresh = sharer.gpus === 0;
    const at = this.#indexOf(sharer.place);
    if (!fresh) this.#strong.delete(sharer);
    this.#sharers.give(sharer, sharer.gpus + 1);
    if (sharer === this.#zero) this.#zero = this.#sharers.least(0, Number.POSITIVE_INFINITY);
    const isOpen = sharer.gpus < sharer.most;
    if (isOpen && sharer.gainWithout >= 1) this.#strong.add(sharer);
    if (fresh && isOpen) this.#open.splice(at, 0, sharer);
    else if (!fresh && !isOpen) this.#open.splice(at, 1);
    this.#valid = Math.min(this.#valid, at);
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
    const open = this.#open;
    const shortest = this.#zero?.length ?? Number.POSITIVE_INFINITY;
    let best = this.#champions[this.#valid - 1];
    let since = this.#since[this.#valid - 1] ?? nobody;
    let from = this.#valid === 0 ? 0 : open[this.#valid - 1]!.place + 1;
    for (let i = this.#valid; i < open.length; i++) {
      const sharer = open[i]!;
      const { place, length } = sharer;
      if (since === nobody) since = this.#sinceWhen(best, from, place);
      if (since === nobody) {
        if (best === undefined || beats(sharer, best)) best = sharer;
      } else if (sharer.gainWithout >= 1 && (length <= shortest || length <= this.#least(since, place)!.length)) {
        // Nobody else beats who has nothing.
        best = sharer;
        since = nobody;
      }
      this.#champions[i] = best;
      this.#since[i] = since;
      from = place + 1;
    }
    this.#valid = open.length;
    if (since === nobody) since = this.#sinceWhen(best, from, Number.POSITIVE_INFINITY);
    return since === nobody ? best : this.#least(since, Number.POSITIVE_INFINITY);
  }

  /** The place from which on one that has nothing is champion, of those from a place up to another; `nobody` where the best stays it. */
  #sinceWhen(best: Sharer | undefined, from: number, to: number): number {
    if (this.#zero === undefined || from >= to) return nobody;
    if (best === undefined || best.gainWithout < 1) {
      const zero = this.#sharers.next(from);
      return zero === undefined || zero >= to ? nobody : zero;
    }
    if (best.length < this.#zero.length) return nobody;
    const least = this.#least(from, to);
    return least !== undefined && least.length <= best.length ? from : nobody;
  }

  /** The first of the shortest of those from a place up to another that have nothing. */
  #least(from: number, to: number): Sharer | undefined {
    const zero = this.#zero;
    return zero !== undefined && zero.place >= from && zero.place < to ? zero : this.#sharers.least(from, to);
  }
}
