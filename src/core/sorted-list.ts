/**
 * Items in order, with insertion and removal anywhere: arrays of at most some hundreds, in an array. Both cost a binary search and
 * the shift of one short array, walking costs what an array's does, and the first items are found at once.
 */
import { Pulled } from "./pulled.ts";

const chunkMax = 512;

export class SortedList<T> implements Iterable<T> {
  readonly #chunks: T[][] = [];
  readonly #compare: (a: T, b: T) => number;
  size = 0;

  /** `compare` tells any two items apart: 0 is for an item and itself. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  first(): T | undefined {
    return this.#chunks[0]?.[0];
  }

  last(): T | undefined {
    return this.#chunks.at(-1)?.at(-1);
  }

  add(item: T): void {
    this.size++;
    const c = Math.min(this.#chunkOf(item), this.#chunks.length - 1);
    const chunk = this.#chunks[c];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      return;
    }
    chunk.splice(this.#indexIn(chunk, item), 0, item);
    if (chunk.length > chunkMax) this.#chunks.splice(c + 1, 0, chunk.splice(chunkMax >> 1));
  }

  /** Whether the item was there. */
  delete(item: T): boolean {
    const c = this.#chunkOf(item);
    const chunk = this.#chunks[c];
    if (chunk === undefined) return false;
    const i = this.#indexIn(chunk, item);
    if (i === chunk.length || this.#compare(chunk[i]!, item) !== 0) return false;
    chunk.splice(i, 1);
    if (chunk.length === 0) this.#chunks.splice(c, 1);
    this.size--;
    return true;
  }

  [Symbol.iterator](): Iterator<T> {
    let [c, i] = [0, 0];
    return new Pulled(() => {
      for (let chunk = this.#chunks[c]; chunk !== undefined; chunk = this.#chunks[++c]) {
        if (i < chunk.length) return chunk[i++];
        i = 0;
      }
      return undefined;
    });
  }

  /** The first chunk whose last item is not before the item. */
  #chunkOf(item: T): number {
    let [low, high] = [0, this.#chunks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#chunks[middle]!.at(-1)!, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #indexIn(chunk: readonly T[], item: T): number {
    let [low, high] = [0, chunk.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(chunk[middle]!, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
