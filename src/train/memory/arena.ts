/**
 * The device's memory: one range of a given capacity, from which tensors get places.
 *
 * The smallest gap that fits is taken, from its lower end; gaps that meet become one. Nothing is ever moved, so what lies free in
 * gaps that are too small is lost until their neighbours go.
 */
import { assert } from "../../core/errors.ts";

const alignment = 64;
export const aligned = (bytes: number): number => Math.max(alignment, Math.ceil(bytes / alignment) * alignment);

interface Gap {
  offset: number;
  bytes: number;
}

export class Arena {
  readonly capacity: number;
  /** By offset. */
  readonly #gaps: Gap[];
  readonly #sizes = new Map<number, number>();
  #used = 0;
  #peak = 0;

  constructor(capacity: number) {
    this.capacity = Math.floor(capacity / alignment) * alignment;
    this.#gaps = [{ offset: 0, bytes: this.capacity }];
  }

  get usedBytes(): number {
    return this.#used;
  }

  get peakBytes(): number {
    return this.#peak;
  }

  get largestGapBytes(): number {
    return this.#gaps.reduce((most, gap) => Math.max(most, gap.bytes), 0);
  }

  /** The peak is counted from now on. */
  resetPeak(): void {
    this.#peak = this.#used;
  }

  /** An offset, or `undefined` where no gap is large enough. */
  alloc(bytes: number): number | undefined {
    const size = aligned(bytes);
    let best: Gap | undefined;
    for (const gap of this.#gaps) {
      if (gap.bytes >= size && (best === undefined || gap.bytes < best.bytes)) best = gap;
    }
    if (best === undefined) return undefined;
    const { offset } = best;
    best.offset += size;
    best.bytes -= size;
    if (best.bytes === 0) this.#gaps.splice(this.#gaps.indexOf(best), 1);
    this.#sizes.set(offset, size);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return offset;
  }

  free(offset: number): void {
    const bytes = this.#sizes.get(offset);
    assert(bytes !== undefined, () => `offset ${offset} of the arena is freed, but nothing was there`);
    this.#sizes.delete(offset);
    this.#used -= bytes;
    let at = this.#gaps.findIndex((gap) => gap.offset > offset);
    if (at < 0) at = this.#gaps.length;
    this.#gaps.splice(at, 0, { offset, bytes });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  #join(at: number): void {
    const [gap, next] = [this.#gaps[at]!, this.#gaps[at + 1]];
    if (next === undefined || gap.offset + gap.bytes !== next.offset) return;
    gap.bytes += next.bytes;
    this.#gaps.splice(at + 1, 1);
  }
}
