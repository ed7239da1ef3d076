/** NSGA-II over allocation matrices: parents by tournament, children by crossover and mutation, the best fronts survive. */
import { type Random, shuffle } from "../../../core/random.ts";
import type { AllocationProblem, Quality } from "./allocation.ts";
import { Fronts } from "./fronts.ts";
import { HashSet } from "./hash-set.ts";

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
  readonly #hashes: Int32Array;
  /** Slots, those of survivors first, then those of children, then free ones. */
  readonly #slots: Uint16Array;
  #alive = 0;
  #born = 0;
  readonly #quality: Quality = { fitness: 0, utility: 0 };
  readonly #seen: HashSet;
  readonly #fronts: Fronts;
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
    this.#hashes = new Int32Array(room);
    this.#slots = Uint16Array.from({ length: room }, (_, i) => i);
    this.#fronts = new Fronts(room);
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
    for (let i = 0; i < this.#alive; i++) most = Math.max(most, this.#fronts.fitness[this.#slots[i]!]!);
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
    this.#fronts.fitness[slot] = this.#quality.fitness;
    this.#fronts.utility[slot] = this.#quality.utility;
    this.#born++;
  }

  /** The slot of the better of two, and of equals the lonelier. Everybody takes part once before anybody does again. */
  #tournament(): number {
    const a = this.#contestant();
    const b = this.#contestant();
    if (this.#fronts.dominates(a, b)) return a;
    if (this.#fronts.dominates(b, a)) return b;
    const [lonelyA, lonelyB] = [this.#fronts.crowding[a]!, this.#fronts.crowding[b]!];
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

  /** Keeps the best fronts, and of the last that fits in part those that are lonely. */
  select(): void {
    const all = this.#alive + this.#born;
    const order = this.#fronts.order(this.#slots, all);
    let kept = 0;
    for (let front = 0; kept < Math.min(all, this.#most); front++) {
      const end = this.#fronts.ends[front]!;
      this.#fronts.measureCrowding(order, kept, end);
      if (end > this.#most) this.#lonelyFirst(order.subarray(kept, end));
      kept = Math.min(end, this.#most);
    }
    this.#slots.set(order);
    this.#alive = kept;
    this.#born = 0;
    this.#seen.clear();
    for (let i = 0; i < kept; i++) this.#seen.add(this.#hashes[this.#slots[i]!]!);
  }

  #lonelyFirst(front: Uint16Array): void {
    shuffle(front, this.#random);
    const crowding = this.#fronts.crowding;
    // Two that are infinitely lonely are equals.
    front.sort((a, b) => (crowding[a] === crowding[b] ? 0 : crowding[b]! - crowding[a]!));
  }

  /** Copies of the matrices of the first front, the fittest first. */
  front(): Uint8Array[] {
    const order = this.#fronts.order(this.#slots, this.#alive);
    return Array.from(order.subarray(0, this.#fronts.ends[0]!), (slot) =>
      this.#cells.slice(slot * this.#size, (slot + 1) * this.#size),
    );
  }
}
