/** NSGA-II over allocation matrices: parents by tournament, children by crossover and mutation, the best fronts survive. */
import type { Random } from "../../../core/random.ts";
import type { AllocationProblem, Quality } from "./allocation.ts";

export interface SearchOptions {
  readonly population: number;
  readonly generations: number;
  /** Ends when the best has not become better for so many generations. */
  readonly patience: number;
}

/** The front of matrices of which none is better in both respects, the fittest first. */
export function search(
  problem: AllocationProblem,
  from: readonly Uint8Array[],
  random: Random,
  options: SearchOptions,
): Uint8Array[] {
  const { generations, patience } = options;
  const population = new Population(problem, random, options.population, from.length);
  population.found(from);
  let best = population.fittest();
  for (let generation = 1, stale = 0; generation < generations && stale < patience; generation++) {
    if (population.breed() === 0) break;
    population.select();
    const now = population.fittest();
    stale = now > best ? 0 : stale + 1;
    best = Math.max(best, now);
  }
  return population.front();
}

/**
 * Matrices by slot, of which the first `#alive` survived and the next are their children; those that die are overwritten. Nothing is
 * allocated while it breeds.
 */
class Population {
  readonly #problem: AllocationProblem;
  readonly #random: Random;
  readonly #most: number;
  readonly #size: number;
  readonly #cells: Uint8Array;
  readonly #fitness: Float64Array;
  readonly #utility: Float64Array;
  readonly #crowding: Float64Array;
  readonly #hashes: Int32Array;
  /** Slots, those of survivors first, then those of children, then free ones. */
  readonly #slots: Uint16Array;
  #alive = 0;
  #born = 0;
  readonly #quality: Quality = { fitness: 0, utility: 0 };
  readonly #seen: HashSet;
  /** Room of `#byFront`: slots in order twice, ends of fronts, their last members, and fronts by slot. */
  readonly #sorted: Uint16Array;
  readonly #order: Uint16Array;
  readonly #ends: Uint16Array;
  readonly #lasts: Uint16Array;
  readonly #fronts: Uint16Array;
  /** Slots that take part in tournaments, in a random order; and how many of them have. */
  readonly #contestants: Uint16Array;
  #contested = 0;

  constructor(problem: AllocationProblem, random: Random, most: number, founders: number) {
    const room = Math.max(2 * most, most + founders) + 2;
    this.#problem = problem;
    this.#random = random;
    this.#most = most;
    this.#size = problem.size;
    this.#cells = new Uint8Array(room * problem.size);
    this.#fitness = new Float64Array(room);
    this.#utility = new Float64Array(room);
    this.#crowding = new Float64Array(room);
    this.#hashes = new Int32Array(room);
    this.#slots = Uint16Array.from({ length: room }, (_, i) => i);
    this.#sorted = new Uint16Array(room);
    this.#order = new Uint16Array(room);
    this.#ends = new Uint16Array(room);
    this.#lasts = new Uint16Array(room);
    this.#fronts = new Uint16Array(room);
    this.#contestants = new Uint16Array(room);
    this.#seen = new HashSet(room);
  }

  found(matrices: readonly Uint8Array[]): void {
    for (const matrix of matrices) {
      this.#cells.set(matrix, this.#slots[this.#born]! * this.#size);
      this.#settle();
    }
    this.select();
  }

  fittest(): number {
    let most = 0;
    for (let i = 0; i < this.#alive; i++) most = Math.max(most, this.#fitness[this.#slots[i]!]!);
    return most;
  }

  /** As many children as there may be survivors; returns how many there are: where few matrices are possible, new ones run out. */
  breed(): number {
    for (let tries = 0; this.#born < this.#most && tries < 4; tries++) {
      this.#contested = this.#alive;
      const pairs = Math.ceil((this.#most - this.#born) / 2);
      for (let pair = 0; pair < pairs; pair++) this.#mate();
    }
    return this.#born;
  }

  /** Two children: the first rows of one parent, the others of the other. */
  #mate(): void {
    const random = this.#random;
    const { jobs, nodes } = this.#problem;
    const one = this.#tournament() * this.#size;
    const other = this.#tournament() * this.#size;
    const cut = random() < 0.9 ? Math.floor(random() * jobs.length) * nodes.length : 0;
    for (let child = 0; child < 2 && this.#born < this.#most; child++) {
      const head = child === 0 ? other : one;
      const tail = child === 0 ? one : other;
      const to = this.#slots[this.#alive + this.#born]! * this.#size;
      this.#cells.copyWithin(to, head, head + cut);
      this.#cells.copyWithin(to + cut, tail + cut, tail + this.#size);
      this.#problem.mutate(this.#cells, to, random);
      this.#settle();
    }
  }

  /** Repairs and measures the next child; one that is there already is forgotten. */
  #settle(): void {
    const slot = this.#slots[this.#alive + this.#born]!;
    const hash = this.#problem.settle(this.#cells, slot * this.#size, this.#random, this.#quality);
    if (!this.#seen.add(hash)) return;
    this.#hashes[slot] = hash;
    this.#fitness[slot] = this.#quality.fitness;
    this.#utility[slot] = this.#quality.utility;
    this.#born++;
  }

  /** The slot of the better of two, and of equals the lonelier. Everybody takes part once before anybody does again. */
  #tournament(): number {
    const a = this.#contestant();
    const b = this.#contestant();
    if (this.#dominates(a, b)) return a;
    if (this.#dominates(b, a)) return b;
    const [lonelyA, lonelyB] = [this.#crowding[a]!, this.#crowding[b]!];
    if (lonelyA === lonelyB) return this.#random() < 0.5 ? a : b;
    return lonelyA > lonelyB ? a : b;
  }

  #contestant(): number {
    if (this.#contested === this.#alive) {
      for (let i = 0; i < this.#alive; i++) this.#contestants[i] = this.#slots[i]!;
      shuffle(this.#contestants.subarray(0, this.#alive), this.#random);
      this.#contested = 0;
    }
    return this.#contestants[this.#contested++]!;
  }

  #dominates(a: number, b: number): boolean {
    const [f, g, u, v] = [this.#fitness[a]!, this.#fitness[b]!, this.#utility[a]!, this.#utility[b]!];
    return f >= g && u >= v && (f > g || u > v);
  }

  /** Keeps the best fronts, and of the last that fits in part those that are lonely. */
  select(): void {
    const all = this.#alive + this.#born;
    const order = this.#byFront(all);
    let kept = 0;
    for (let front = 0; kept < Math.min(all, this.#most); front++) {
      const end = this.#ends[front]!;
      this.#measureCrowding(order, kept, end);
      if (end > this.#most) this.#lonelyFirst(order.subarray(kept, end));
      kept = Math.min(end, this.#most);
    }
    this.#slots.set(order);
    this.#alive = kept;
    this.#born = 0;
    this.#seen.clear();
    for (let i = 0; i < kept; i++) this.#seen.add(this.#hashes[this.#slots[i]!]!);
  }

  /**
   * Slots front by front; within one by falling fitness and so by rising utility, of equals the older first. In this order each joins
   * the first front whose last member does not dominate it: that has the highest utility there.
   */
  #byFront(all: number): Uint16Array {
    const sorted = this.#sorted.subarray(0, all);
    sorted.set(this.#slots.subarray(0, all));
    const [fitness, utility] = [this.#fitness, this.#utility];
    sorted.sort((a, b) => fitness[b]! - fitness[a]! || utility[b]! - utility[a]!);
    let fronts = 0;
    for (const slot of sorted) {
      let low = 0;
      let high = fronts;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.#dominates(this.#lasts[middle]!, slot)) low = middle + 1;
        else high = middle;
      }
      if (low === fronts) this.#ends[fronts++] = 0;
      this.#lasts[low] = slot;
      this.#ends[low]!++;
      this.#fronts[slot] = low;
    }
    let from = 0;
    for (let front = 0; front < fronts; front++) {
      const members = this.#ends[front]!;
      this.#ends[front] = from;
      from += members;
    }
    const order = this.#order.subarray(0, all);
    for (const slot of sorted) order[this.#ends[this.#fronts[slot]!]!++] = slot;
    return order;
  }

  /** How far a member's neighbours on its front are. Whoever is as good as one before it is not lonely at all. */
  #measureCrowding(order: Uint16Array, from: number, end: number): void {
    const [fitness, utility, crowding] = [this.#fitness, this.#utility, this.#crowding];
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

  #lonelyFirst(front: Uint16Array): void {
    shuffle(front, this.#random);
    const crowding = this.#crowding;
    // Two that are infinitely lonely are equals.
    front.sort((a, b) => (crowding[a] === crowding[b] ? 0 : crowding[b]! - crowding[a]!));
  }

  /** Copies of the matrices of the first front, the fittest first. */
  front(): Uint8Array[] {
    const order = this.#byFront(this.#alive);
    return Array.from(order.subarray(0, this.#ends[0]!), (slot) =>
      this.#cells.slice(slot * this.#size, (slot + 1) * this.#size),
    );
  }
}

function shuffle(items: Uint16Array, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const item = items[i]!;
    items[i] = items[other]!;
    items[other] = item;
  }
}

/** Whole numbers of 32 bits, at most `most` of them. */
class HashSet {
  readonly #values: Int32Array;
  /** A place is taken if it was since the set was last cleared. */
  readonly #since: Int32Array;
  readonly #mask: number;
  #now = 1;

  constructor(most: number) {
    const places = 2 ** Math.ceil(Math.log2(2 * most + 2));
    this.#values = new Int32Array(places);
    this.#since = new Int32Array(places);
    this.#mask = places - 1;
  }

  clear(): void {
    this.#now++;
  }

  /** False where it was there already. */
  add(value: number): boolean {
    let at = (value ^ (value >>> 15)) & this.#mask;
    for (; this.#since[at] === this.#now; at = (at + 1) & this.#mask) if (this.#values[at] === value) return false;
    this.#since[at] = this.#now;
    this.#values[at] = value;
    return true;
  }
}
