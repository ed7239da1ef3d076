/** NSGA-II over allocation matrices: parents by tournament, children by crossover and mutation, the best fronts survive. */
import type { Random } from "../../../core/random.ts";
import type { AllocationProblem, Quality } from "./allocation.ts";

interface Individual extends Quality {
  readonly matrix: Uint8Array;
  readonly hash: number;
  /** How far its neighbours on its front are: the lonelier, the better. */
  crowding: number;
}

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
  const seen = new Set<number>();
  let alive = individuals(problem, from, random, seen);
  let best = fittest(alive);
  let stale = 0;
  for (let generation = 1; generation < options.generations && stale < options.patience; generation++) {
    seen.clear();
    for (const { hash } of alive) seen.add(hash);
    const children: Individual[] = [];
    // Where few matrices are possible, new ones run out.
    for (let tries = 0; children.length < options.population && tries < 4; tries++) {
      const pairs = Math.ceil((options.population - children.length) / 2);
      children.push(...individuals(problem, offspring(problem, alive, pairs, random), random, seen));
    }
    alive = survivors([...alive, ...children], options.population);
    const now = fittest(alive);
    stale = now > best ? 0 : stale + 1;
    best = Math.max(best, now);
  }
  return fronts(alive)[0]!
    .sort((a, b) => b.fitness - a.fitness)
    .map(({ matrix }) => matrix);
}

const fittest = (all: readonly Individual[]): number => all.reduce((most, { fitness }) => Math.max(most, fitness), 0);

/** Repaired and measured, without those that are there already. */
function individuals(
  problem: AllocationProblem,
  matrices: readonly Uint8Array[],
  random: Random,
  seen: Set<number>,
): Individual[] {
  const found: Individual[] = [];
  for (const matrix of matrices) {
    problem.repair(matrix, random);
    const hash = hashOf(matrix);
    if (seen.has(hash)) continue;
    seen.add(hash);
    found.push({ matrix, hash, crowding: 0, ...problem.evaluate(matrix) });
  }
  return found;
}

function hashOf(matrix: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const gpus of matrix) hash = Math.imul(hash ^ gpus, 0x01000193);
  return hash;
}

/** Two children of each pair: the first rows of one parent, the others of the other. */
function offspring(
  problem: AllocationProblem,
  alive: readonly Individual[],
  pairs: number,
  random: Random,
): Uint8Array[] {
  const width = problem.nodes.length;
  const size = problem.base.length;
  const children: Uint8Array[] = [];
  // One allocation for all: they are many and small.
  const room = new Uint8Array(2 * pairs * size);
  for (let pair = 0; pair < pairs; pair++) {
    const a = room.subarray(2 * pair * size, (2 * pair + 1) * size);
    const b = room.subarray((2 * pair + 1) * size, (2 * pair + 2) * size);
    const one = tournament(alive, random).matrix;
    const other = tournament(alive, random).matrix;
    const cut = random() < 0.9 ? Math.floor(random() * problem.jobs.length) * width : 0;
    for (let i = 0; i < size; i++) {
      a[i] = i < cut ? other[i]! : one[i]!;
      b[i] = i < cut ? one[i]! : other[i]!;
    }
    problem.mutate(a, random);
    problem.mutate(b, random);
    children.push(a, b);
  }
  return children;
}

function tournament(alive: readonly Individual[], random: Random): Individual {
  const a = alive[Math.floor(random() * alive.length)]!;
  const b = alive[Math.floor(random() * alive.length)]!;
  if (dominates(a, b)) return a;
  if (dominates(b, a)) return b;
  return a.crowding >= b.crowding ? a : b;
}

const dominates = (a: Quality, b: Quality): boolean =>
  a.fitness >= b.fitness && a.utility >= b.utility && (a.fitness > b.fitness || a.utility > b.utility);

function survivors(all: readonly Individual[], count: number): Individual[] {
  const chosen: Individual[] = [];
  for (const front of fronts(all)) {
    measureCrowding(front);
    if (chosen.length + front.length <= count) chosen.push(...front);
    else chosen.push(...front.sort((a, b) => b.crowding - a.crowding).slice(0, count - chosen.length));
    if (chosen.length === count) break;
  }
  return chosen;
}

/** Fronts of the two objectives, the best first: by falling fitness, each joins the first front that does not dominate it. */
function fronts(all: readonly Individual[]): Individual[][] {
  const sorted = all.toSorted((a, b) => b.fitness - a.fitness || b.utility - a.utility);
  const found: Individual[][] = [];
  for (const individual of sorted) {
    // A front's last member has its highest utility.
    let low = 0;
    let high = found.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (dominates(found[middle]!.at(-1)!, individual)) low = middle + 1;
      else high = middle;
    }
    if (low === found.length) found.push([individual]);
    else found[low]!.push(individual);
  }
  return found;
}

/** Of a front in the order of falling fitness. */
function measureCrowding(front: readonly Individual[]): void {
  const first = front[0]!;
  const last = front.at(-1)!;
  const fitnessRange = first.fitness - last.fitness || 1;
  const utilityRange = last.utility - first.utility || 1;
  for (const [i, individual] of front.entries()) {
    const before = front[i - 1];
    const after = front[i + 1];
    individual.crowding =
      before === undefined || after === undefined
        ? Number.POSITIVE_INFINITY
        : (before.fitness - after.fitness) / fitnessRange + (after.utility - before.utility) / utilityRange;
  }
}
