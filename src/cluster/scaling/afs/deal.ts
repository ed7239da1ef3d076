/**
 * GPUs, one by one, to the champion of all comparisons (Alg. 1): jobs are gone through in their order, and the winner of each pair goes
 * on to the next. Who beats whom is not transitive, so the order counts, and each step finds just whom that walk would end with.
 *
 * Jobs without GPUs beat all whose next GPU gains less than the one before, and lose only to shorter ones: they need no walk but
 * where somebody is as good with the next GPU. Without them the walk is taken up where the last winner stands.
 */
import { LeastOfRange } from "../../../core/least-of-range.ts";
import { beats, type Sharer } from "./sharer.ts";
import type { WaitingSharers } from "./waiting.ts";

/** Deals to those who run, in their order, and to those who wait, behind them; returns who of these gets something. */
export function deal(running: readonly Sharer[], waiting: WaitingSharers, total: number): readonly Sharer[] {
  const dealing = new Dealing(running, waiting);
  for (let free = total; free > 0; free--) if (!dealing.one()) break;
  return dealing.started;
}

/** To each of those who wait as much as it can use; returns them. */
export function dealAll(waiting: WaitingSharers): readonly Sharer[] {
  const started: Sharer[] = [];
  const line = waiting.shortest();
  for (let sharer = next(line); sharer !== undefined; sharer = next(line)) {
    waiting.take(sharer);
    sharer.deal(sharer.most);
    started.push(sharer);
  }
  return started;
}

class Dealing {
  readonly started: Sharer[] = [];
  readonly #running: readonly Sharer[];
  readonly #waiting: WaitingSharers;
  /** Who runs by length, and how many of them have got something. */
  readonly #shortest: readonly Sharer[];
  #next = 0;
  readonly #line: Iterator<Sharer>;
  /** The first in line; `undefined` where all have got something. */
  #first: Sharer | undefined;
  /** Lengths of those who run and have nothing yet, by place; made when they are asked for. */
  #lengths: LeastOfRange | undefined;
  /** Who has something and can use more, by place; the champion of each and all before it, of the first `#valid` of them. */
  readonly #open: Sharer[] = [];
  readonly #champions: Sharer[] = [];
  #valid = 0;
  /** Those of them that gain as much from the next GPU as from all before. */
  readonly #strong = new Set<Sharer>();

  constructor(running: readonly Sharer[], waiting: WaitingSharers) {
    this.#running = running;
    this.#waiting = waiting;
    this.#shortest = running.filter(({ most }) => most > 0).sort((a, b) => a.length - b.length || a.place - b.place);
    this.#line = waiting.shortest();
    this.#first = next(this.#line);
  }

  /** One GPU more; whether anybody can use it. */
  one(): boolean {
    const zero = this.#shortestZero();
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

  #isWaiting({ job }: Sharer): boolean {
    return job.places.length === 0;
  }

  /** Where it stands in the order of all. */
  #placeOf(sharer: Sharer): number {
    return this.#isWaiting(sharer) ? this.#running.length + sharer.place : sharer.place;
  }

  /** The shortest of those that have nothing, the first of equals. */
  #shortestZero(): Sharer | undefined {
    while (this.#next < this.#shortest.length && this.#shortest[this.#next]!.gpus > 0) this.#next++;
    while (this.#first !== undefined && this.#first.gpus > 0) this.#first = next(this.#line);
    const [runs, waits] = [this.#shortest[this.#next], this.#first];
    if (runs === undefined || waits === undefined) return runs ?? waits;
    return waits.length < runs.length ? waits : runs;
  }

  #give(sharer: Sharer): void {
    const fresh = sharer.gpus === 0;
    const at = this.#indexOf(this.#placeOf(sharer));
    if (fresh && this.#isWaiting(sharer)) {
      this.#waiting.take(sharer);
      this.started.push(sharer);
    } else if (fresh) this.#lengths?.set(sharer.place, Number.POSITIVE_INFINITY);
    else this.#strong.delete(sharer);
    sharer.deal(sharer.gpus + 1);
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
      if (this.#placeOf(this.#open[middle]!) < place) low = middle + 1;
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
      if (zero < from) zero = this.#nextZero(from);
      if (zero >= to) return;
      if (!isStrong) since = zero;
      else if (this.#leastZero(from, to)!.length <= best!.length) since = from;
    };
    for (const sharer of this.#open) {
      const place = this.#placeOf(sharer);
      pass(place);
      if (since !== undefined) {
        // Nobody else beats who has nothing.
        const { length } = sharer;
        if (sharer.gainWithout >= 1 && (length <= shortest || length <= this.#leastZero(since, place)!.length)) {
          best = sharer;
          since = undefined;
        }
      } else if (best === undefined || beats(sharer, best)) best = sharer;
      from = place + 1;
    }
    pass(Number.POSITIVE_INFINITY);
    return since === undefined ? best : this.#leastZero(since, Number.POSITIVE_INFINITY);
  }

  #zeros(): LeastOfRange {
    if (this.#lengths !== undefined) return this.#lengths;
    const lengths = new LeastOfRange(this.#running.length);
    for (const { place, gpus, most, length } of this.#running) if (gpus === 0 && most > 0) lengths.set(place, length);
    this.#lengths = lengths;
    return lengths;
  }

  /** The place of the first from here on that has nothing; infinity where there is none. */
  #nextZero(from: number): number {
    const here = from < this.#running.length ? this.#zeros().next(from) : undefined;
    if (here !== undefined) return here;
    const there = this.#waiting.next(Math.max(0, from - this.#running.length));
    return there === undefined ? Number.POSITIVE_INFINITY : there + this.#running.length;
  }

  /** The first of the shortest of those from a place up to another that have nothing. */
  #leastZero(from: number, to: number): Sharer | undefined {
    const runners = this.#running.length;
    const here = this.#zeros().least(from, to);
    const runs = here === undefined ? undefined : this.#running[here];
    const waits = this.#waiting.least(Math.max(0, from - runners), to - runners);
    if (runs === undefined || waits === undefined) return runs ?? waits;
    return waits.length < runs.length ? waits : runs;
  }
}

function next(of: Iterator<Sharer>): Sharer | undefined {
  const { done, value } = of.next();
  return done ? undefined : value;
}
