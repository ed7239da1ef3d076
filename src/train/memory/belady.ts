/**
 * Swaps for a known order of units: where memory does not suffice, what is used last again leaves, and everything comes back as
 * early as there is room for it (Belady's rule with prefetching).
 */
import type { In, MemoryView, Out, TensorId, UnitId } from "../memory.ts";

export interface SwapSchedule {
  readonly outs: readonly Out[];
  readonly ins: readonly In[];
}

interface Return {
  readonly tensor: TensorId;
  /** The place in the order at which it is needed, and the first at which it could come. */
  readonly needed: number;
  readonly earliest: number;
}

/** `sizes` are bytes set aside for each tensor. `undefined` where a unit alone needs more than there is. */
export function beladySwaps(
  view: MemoryView,
  order: readonly UnitId[],
  sizes: readonly number[],
  capacity: number,
): SwapSchedule | undefined {
  return new Belady(view, order, sizes, capacity).schedule();
}

class Belady {
  readonly #view: MemoryView;
  readonly #order: readonly UnitId[];
  readonly #sizes: readonly number[];
  readonly #capacity: number;
  /** Places in the order that touch a tensor. */
  readonly #touches: readonly number[][];
  readonly #resident = new Set<TensorId>();
  readonly #away = new Map<TensorId, number>();
  readonly #outs: Out[] = [];
  readonly #returns: Return[] = [];
  readonly #usage: number[] = [];
  #used = 0;

  constructor(view: MemoryView, order: readonly UnitId[], sizes: readonly number[], capacity: number) {
    this.#view = view;
    this.#order = order;
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#touches = view.tensors.map(() => []);
    for (const [at, unit] of order.entries()) {
      const { reads, writes } = view.units[unit]!;
      for (const t of new Set([...reads, ...writes])) this.#touches[t]!.push(at);
    }
  }

  schedule(): SwapSchedule | undefined {
    for (const [t, { producer }] of this.#view.tensors.entries()) if (producer === undefined) this.#enter(t);
    for (const [at, unit] of this.#order.entries()) {
      const { reads, writes } = this.#view.units[unit]!;
      const held = new Set([...reads, ...writes]);
      for (const t of held) {
        const left = this.#away.get(t);
        if (left !== undefined) this.#returns.push({ tensor: t, needed: at, earliest: left + 1 });
        this.#away.delete(t);
        const { replaces } = this.#view.tensors[t]!;
        if (replaces !== undefined && !reads.includes(t)) this.#leave(replaces);
        this.#enter(t);
      }
      while (this.#used > this.#capacity) if (!this.#evict(at, held)) return undefined;
      this.#usage.push(this.#used);
      for (const t of held) if (this.#next(t, at) === undefined && !this.#outlasts(t)) this.#leave(t);
    }
    return { outs: this.#outs, ins: this.#hoisted() };
  }

  #enter(t: TensorId): void {
    if (this.#resident.has(t)) return;
    this.#resident.add(t);
    this.#used += this.#sizes[t]!;
  }

  #leave(t: TensorId): void {
    if (this.#resident.delete(t)) this.#used -= this.#sizes[t]!;
  }

  #outlasts(t: TensorId): boolean {
    const { producer, output } = this.#view.tensors[t]!;
    return producer === undefined || output;
  }

  #next(t: TensorId, after: number): number | undefined {
    return this.#touches[t]!.find((at) => at > after);
  }

  #evict(at: number, held: ReadonlySet<TensorId>): boolean {
    let [furthest, victim] = [-1, -1];
    for (const t of this.#resident) {
      if (held.has(t)) continue;
      const next = this.#next(t, at) ?? Number.POSITIVE_INFINITY;
      if (next > furthest) [furthest, victim] = [next, t];
    }
    if (victim < 0) return false;
    const last = this.#touches[victim]!.findLast((touched) => touched < at) ?? 0;
    this.#outs.push({ tensor: victim, at: this.#order[last]!, begin: "after", join: false });
    this.#away.set(victim, at);
    this.#leave(victim);
    return true;
  }

  /** The one needed first comes first, and each as soon as it has room until then. */
  #hoisted(): readonly In[] {
    const placed = this.#returns
      .toSorted((a, b) => a.needed - b.needed)
      .map(({ tensor, needed, earliest }) => {
        const bytes = this.#sizes[tensor]!;
        let at = needed;
        while (at > earliest && this.#usage[at - 1]! + bytes <= this.#capacity) this.#usage[--at]! += bytes;
        return { tensor, at, needed };
      });
    return placed
      .toSorted((a, b) => a.at - b.at || a.needed - b.needed)
      .map(({ tensor, at }) => ({ tensor, at: this.#order[at]!, join: false }));
  }
}
