/**
 * What a function gives until it has no more, for a `for` loop: one object for a whole walk, which is its own iterator and its own
 * result, where a generator makes one for each item. A walk goes on from where it was left.
 */
export class Pulled<T> implements IterableIterator<T> {
  readonly #pull: () => T | undefined;
  done = false;
  value!: T;

  /** `undefined` is the end, and is not asked for again. */
  constructor(pull: () => T | undefined) {
    this.#pull = pull;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T, undefined> {
    const next = this.done ? undefined : this.#pull();
    if (next === undefined) this.done = true;
    else this.value = next;
    return this as IteratorResult<T, undefined>;
  }
}

/** The items of a walk, one at each call; `undefined` after the last. An array is walked without an iterator. */
export function pullOf<T extends object>(items: Iterable<T>): () => T | undefined {
  if (Array.isArray(items)) {
    let at = 0;
    return () => items[at++];
  }
  const rest = items[Symbol.iterator]();
  return () => {
    const next = rest.next();
    return next.done === true ? undefined : next.value;
  };
}
