/**
 * A set of small integers, ordered: a bit each, and above every 32 words a word that says which of them are not empty. Adding,
 * removing and finding the next member touch one word a level: three levels hold 32,768 nodes.
 */
import { Pulled } from "../core/pulled.ts";

export class IndexSet {
  readonly #levels: Int32Array[] = [];
  size = 0;

  /** Of integers from 0 to `capacity` - 1. */
  constructor(capacity: number) {
    for (let words = Math.ceil(capacity / 32); ; words = Math.ceil(words / 32)) {
      this.#levels.push(new Int32Array(Math.max(1, words)));
      if (words <= 1) break;
    }
  }

  has(i: number): boolean {
    return ((this.#levels[0]![i >> 5]! >>> (i & 31)) & 1) === 1;
  }

  add(i: number): void {
    if (this.has(i)) return;
    this.size++;
    let at = i;
    for (const words of this.#levels) {
      const before = words[at >> 5]!;
      words[at >> 5] = before | (1 << (at & 31));
      if (before !== 0) return;
      at >>= 5;
    }
  }

  delete(i: number): void {
    if (!this.has(i)) return;
    this.size--;
    let at = i;
    for (const words of this.#levels) {
      const after = words[at >> 5]! & ~(1 << (at & 31));
      words[at >> 5] = after;
      if (after !== 0) return;
      at >>= 5;
    }
  }

  /** The smallest member that is at least `from`; `undefined` where there is none. */
  next(from: number): number | undefined {
    let at = from;
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level]!;
      const word = at >> 5;
      if (word >= words.length) return undefined;
      const rest = words[word]! & (-1 << (at & 31));
      if (rest !== 0) return this.#descend(level, (word << 5) + lowest(rest));
      at = word + 1;
    }
    return undefined;
  }

  #descend(from: number, member: number): number {
    let at = member;
    for (let level = from - 1; level >= 0; level--) at = (at << 5) + lowest(this.#levels[level]![at]!);
    return at;
  }

  [Symbol.iterator](): Iterator<number> {
    let from = 0;
    return new Pulled(() => {
      const found = this.next(from);
      if (found !== undefined) from = found + 1;
      return found;
    });
  }
}

const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);
