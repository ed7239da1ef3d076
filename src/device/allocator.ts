/** Who owns which part of one growing memory: first fit over freed ranges, 64-byte aligned, address 0 never given out. */
import { assert } from "../core/errors.ts";

export class Allocator {
  #end = 64;
  readonly #sizes = new Map<number, number>();
  /** Freed ranges by address; neighbours are merged. */
  #free: { from: number; to: number }[] = [];
  readonly #grow: (bytes: number) => void;

  /** `grow` makes the memory at least that long, or throws. */
  constructor(grow: (bytes: number) => void) {
    this.#grow = grow;
  }

  alloc(bytes: number): number {
    const size = Math.max(64, Math.ceil(bytes / 64) * 64);
    const gap = this.#free.find((f) => f.to - f.from >= size);
    const address = gap?.from ?? this.#end;
    if (gap === undefined) {
      this.#grow(this.#end + size);
      this.#end += size;
    } else gap.from += size;
    this.#free = this.#free.filter((f) => f.to > f.from);
    this.#sizes.set(address, size);
    return address;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    assert(size !== undefined, () => `address ${address} is freed, but not allocated`);
    this.#sizes.delete(address);
    const ranges = [...this.#free, { from: address, to: address + size }].sort((a, b) => a.from - b.from);
    this.#free = [];
    for (const range of ranges) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.to === range.from) last.to = range.to;
      else this.#free.push(range);
    }
  }
}
