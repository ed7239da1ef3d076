/**
 * The device's memory: one range of a given capacity, from which tensors get places.
 *
 * The smallest gap that fits is taken, from its lower end; gaps that meet become one. What is small lies at the other end of the
 * memory, so that parameters and sums do not part the room of activations. What lies free in gaps that are too small is lost until
 * their neighbours go, or everything is packed.
 */
import { assert } from "../../core/errors.ts";

const alignment = 64;
export const aligned = (bytes: number): number => Math.max(alignment, Math.ceil(bytes / alignment) * alignment);

/** Small is what fits so many times into the memory. */
const smallShare = 64;

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
    // Without a limit offsets still are numbers that can be counted with.
    this.capacity = Math.floor(Math.min(capacity, 2 ** 50) / alignment) * alignment;
    this.#gaps = [{ offset: 0, bytes: this.capacity }];
  }

  /** Another one in which the same lies in the same places. */
  copy(): Arena {
    const copy = new Arena(this.capacity);
    copy.#gaps.splice(0, 1, ...this.#gaps.map((gap) => ({ ...gap })));
    for (const [offset, bytes] of this.#sizes) copy.#sizes.set(offset, bytes);
    copy.#used = copy.#peak = this.#used;
    return copy;
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
    const small = size * smallShare < this.capacity;
    let best: Gap | undefined;
    for (const gap of this.#gaps) {
      if (gap.bytes >= size && (best === undefined || small || gap.bytes < best.bytes)) best = gap;
    }
    if (best === undefined) return undefined;
    best.bytes -= size;
    const offset = small ? best.offset + best.bytes : best.offset;
    if (!small) best.offset += size;
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

  /** Moves everything to the lower end: what must be moved, in the order in which nothing is written over. */
  pack(): readonly { readonly from: number; readonly to: number; readonly bytes: number }[] {
    const blocks = [...this.#sizes].sort(([a], [b]) => a - b);
    this.#sizes.clear();
    let to = 0;
    const moves = blocks.map(([from, bytes]) => {
      this.#sizes.set(to, bytes);
      to += bytes;
      return { from, to: to - bytes, bytes };
    });
    this.#gaps.splice(0, this.#gaps.length, ...(to < this.capacity ? [{ offset: to, bytes: this.capacity - to }] : []));
    return moves.filter((m) => m.from !== m.to);
  }

  #join(at: number): void {
    const [gap, next] = [this.#gaps[at]!, this.#gaps[at + 1]];
    if (next === undefined || gap.offset + gap.bytes !== next.offset) return;
    gap.bytes += next.bytes;
    this.#gaps.splice(at + 1, 1);
  }
}
