/** Stacks that loops keep their states on for their gradients: what does not fit on the device is moved out until it is read (§5.3). */
import { assert } from "../../core/errors.ts";

interface Entry<A> {
  readonly values: readonly A[];
  readonly bytes: number;
  out: boolean;
}

/** A stack: entries by index. */
export interface Saved<A> {
  readonly entries: Map<number, Entry<A>>;
}

export class Stacks<A> {
  readonly #capacity: number;
  readonly #bytesOf: (array: A) => number;
  /** On the device, in the order in which they came: a gradient reads the newest first. */
  readonly #inside = new Set<Entry<A>>();
  #bytes = 0;
  bytesMax = 0;
  /** Moved out, and in again. */
  swappedBytes = 0;

  constructor(capacity: number, bytesOf: (array: A) => number) {
    this.#capacity = capacity;
    this.#bytesOf = bytesOf;
  }

  create(): Saved<A> {
    return { entries: new Map() };
  }

  push({ entries }: Saved<A>, index: number, values: readonly A[]): void {
    assert(!entries.has(index), () => `entry ${index} of a stack was written twice`);
    const entry = { values, bytes: values.reduce((n, v) => n + this.#bytesOf(v), 0), out: false };
    entries.set(index, entry);
    this.#hold(entry);
  }

  read({ entries }: Saved<A>, index: number, item: number): A {
    const entry = entries.get(index);
    assert(entry !== undefined, () => `entry ${index} of a stack was read before it was written`);
    if (entry.out) {
      this.swappedBytes += entry.bytes;
      entry.out = false;
      this.#hold(entry);
    }
    return entry.values[item]!;
  }

  #hold(entry: Entry<A>): void {
    this.#inside.add(entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#inside) {
      if (this.#bytes <= this.#capacity || oldest === entry) break;
      this.#inside.delete(oldest);
      this.#bytes -= oldest.bytes;
      this.swappedBytes += oldest.bytes;
      oldest.out = true;
    }
    this.bytesMax = Math.max(this.bytesMax, this.#bytes);
  }
}
