/** Fronts of the two objectives, and how lonely the members of one are; individuals are numbered by slot. */
export class Fronts {
  readonly fitness: Float64Array;
  readonly utility: Float64Array;
  readonly crowding: Float64Array;
  /** Where each front of the last `order` ends. */
  readonly ends: Uint16Array;
  readonly #sorted: Uint16Array;
  readonly #order: Uint16Array;
  /** The last member of each front; the front of each slot. */
  readonly #lasts: Uint16Array;
  readonly #fronts: Uint16Array;

  constructor(room: number) {
    this.fitness = new Float64Array(room);
    this.utility = new Float64Array(room);
    this.crowding = new Float64Array(room);
    this.ends = new Uint16Array(room);
    this.#sorted = new Uint16Array(room);
    this.#order = new Uint16Array(room);
    this.#lasts = new Uint16Array(room);
    this.#fronts = new Uint16Array(room);
  }

  dominates(a: number, b: number): boolean {
    const [f, g, u, v] = [this.fitness[a]!, this.fitness[b]!, this.utility[a]!, this.utility[b]!];
    return f >= g && u >= v && (f > g || u > v);
  }

  /**
   * Slots front by front; within one by falling fitness and so by rising utility, of equals the older first. In this order each joins
   * the first front whose last member does not dominate it: that has the highest utility there.
   */
  order(slots: Uint16Array, all: number): Uint16Array {
    const sorted = this.#sorted.subarray(0, all);
    sorted.set(slots.subarray(0, all));
    const [fitness, utility] = [this.fitness, this.utility];
    sorted.sort((a, b) => fitness[b]! - fitness[a]! || utility[b]! - utility[a]!);
    let fronts = 0;
    for (const slot of sorted) {
      let low = 0;
      let high = fronts;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.dominates(this.#lasts[middle]!, slot)) low = middle + 1;
        else high = middle;
      }
      if (low === fronts) this.ends[fronts++] = 0;
      this.#lasts[low] = slot;
      this.ends[low]!++;
      this.#fronts[slot] = low;
    }
    let from = 0;
    for (let front = 0; front < fronts; front++) {
      const members = this.ends[front]!;
      this.ends[front] = from;
      from += members;
    }
    const order = this.#order.subarray(0, all);
    for (const slot of sorted) order[this.ends[this.#fronts[slot]!]!++] = slot;
    return order;
  }

  /** How far a member's neighbours on its front are. Whoever is as good as one before it is not lonely at all. */
  measureCrowding(order: Uint16Array, from: number, end: number): void {
    const [fitness, utility, crowding] = [this.fitness, this.utility, this.crowding];
    const [first, last] = [order[from]!, order[end - 1]!];
    const fitnessRange = fitness[first]! - fitness[last]!;
    const utilityRange = utility[last]! - utility[first]!;
    const same = (a: number, b: number): boolean => fitness[a] === fitness[b] && utility[a] === utility[b];
    for (let i = from; i < end; i++) crowding[order[i]!] = end - from <= 2 ? Number.POSITIVE_INFINITY : 0;
    if (end - from <= 2 || same(first, last)) return;
    let before: number | undefined;
    for (let i = from; i < end; ) {
      const slot = order[i]!;
      do i++;
      while (i < end && same(slot, order[i]!));
      const after = i < end ? order[i]! : undefined;
      crowding[slot] =
        before === undefined || after === undefined
          ? Number.POSITIVE_INFINITY
          : (fitness[before]! - fitness[after]!) / fitnessRange + (utility[after]! - utility[before]!) / utilityRange;
      before = slot;
    }
  }
}
