/**
 * GPUs, one by one, to the champion of all comparisons (Alg. 1): jobs are gone through in the order of their arrival, and the winner of each pair
 * goes on to the next. Who beats whom is not transitive, so the order counts, and each step finds just whom that walk would end with.
 *
 * Jobs without GPUs beat all whose next GPU gains less than the one before, and lose only to shorter ones: they need no walk but
 * where somebody is as good with the next GPU. Without them the walk is taken up where the last winner stands.
 */
import { beats, type Sharer } from "./sharer.ts";
import type { Sharers } from "./sharers.ts";

export function deal(sharers: Sharers, total: number): void {
  const dealing = new Dealing(sharers);
  for (let free = total; free > 0; free--) if (!dealing.one()) break;
}

class Dealing {
  readonly #sharers: Sharers;
  /** Who has something and can use more, by place; the champion of each and all before it, of the first `#valid` of them. */
  readonly #open: Sharer[] = [];
  readonly #champions: Sharer[] = [];
  #valid = 0;
  /** Those of them that gain as much from the next GPU as from all before. */
  readonly #strong = new Set<Sharer>();

  constructor(sharers: Sharers) {
    this.#sharers = sharers;
  }

  /** One GPU more; whether anybody can use it. */
  one(): boolean {
    const zero = this.#sharers.least(0, Number.POSITIVE_INFINITY);
    const winner = zero === undefined ? this.#champion() : this.#isSure(zero.length) ? zero : this.#walk(zero.length);
    if (winner === undefined) return false;
    this.#give(winner);
    return true;
  }

  /** Whether the shortest of those that have nothing, which is so long, beats all before it and loses to none behind it. */
  #isSure(shortest: number): boolean {
    for (const { length } of this.#strong) if (length <= shortest) return false;
    return true;
  }

  #give(sharer: Sharer): void {
    const fresh = sharer.gpus === 0;
    const at = this.#indexOf(sharer.place);
    if (!fresh) this.#strong.delete(sharer);
    this.#sharers.give(sharer, sharer.gpus + 1);
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

  /** Where nobody has nothing: up to the last winner, the walk ends as it did. */
  #champion(): Sharer | undefined {
    const open = this.#open;
    let best = this.#champions[this.#valid - 1];
    for (let i = this.#valid; i < open.length; i++) {
      if (best === undefined || beats(open[i]!, best)) best = open[i]!;
      this.#champions[i] = best;
    }
    this.#valid = open.length;
    return this.#champions[open.length - 1];
  }

  /**
   * The walk where some have nothing, of whom the shortest is so long. While one of these is champion only the place is kept since when:
   * it is the shortest from there on, and is looked for when it matters.
   */
  #walk(shortest: number): Sharer | undefined {
    let best: Sharer | undefined;
    let since: number | undefined;
    let from = 0;
    let zero = -1;
    const pass = (to: number): void => {
      const isStrong = best !== undefined && best.gainWithout >= 1;
      if (since !== undefined || from >= to || (isStrong && best!.length < shortest)) return;
      if (zero < from) zero = this.#sharers.next(from) ?? Number.POSITIVE_INFINITY;
      if (zero >= to) return;
      if (!isStrong) since = zero;
      else if (this.#sharers.least(from, to)!.length <= best!.length) since = from;
    };
    for (const sharer of this.#open) {
      const { place } = sharer;
      pass(place);
      if (since !== undefined) {
        // Nobody else beats who has nothing.
        const { length } = sharer;
        if (sharer.gainWithout >= 1 && (length <= shortest || length <= this.#sharers.least(since, place)!.length)) {
          best = sharer;
          since = undefined;
        }
      } else if (best === undefined || beats(sharer, best)) best = sharer;
      from = place + 1;
    }
    pass(Number.POSITIVE_INFINITY);
    return since === undefined ? best : this.#sharers.least(since, Number.POSITIVE_INFINITY);
  }
}
