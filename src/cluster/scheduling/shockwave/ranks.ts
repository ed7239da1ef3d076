/** Which rounds of the window are a job's: those with the highest priority come first (Shockwave's published code, not the paper). */
import { LinearProgram, type Term } from "../../linear-program.ts";
import { solve } from "../../solver.ts";
import type { Limits } from "./window.ts";

export interface Ranked {
  readonly gpus: number;
  /** Rounds that it gets. */
  readonly count: number;
  readonly priority: number;
}

/** By round, indexes of the jobs that run in it: the sum of priority times mean round is least. */
export function ranked(jobs: readonly Ranked[], rounds: number, gpus: number, limits: Limits): number[][] {
  return earliest(jobs, rounds, gpus) ?? best(jobs, rounds, gpus, limits);
}

/** By priority a round and GPU, each in the first rounds that have room: best where all sizes are equal. Not for all where some find none. */
function earliest(jobs: readonly Ranked[], rounds: number, gpus: number): number[][] | undefined {
  const plan: number[][] = Array.from({ length: rounds }, () => []);
  const free = plan.map(() => gpus);
  const order = [...jobs.keys()].filter((i) => jobs[i]!.count > 0).sort((a, b) => worth(jobs[b]!) - worth(jobs[a]!));
  for (const i of order) {
    let { count } = jobs[i]!;
    for (let round = 0; round < rounds && count > 0; round++) {
      if (free[round]! < jobs[i]!.gpus) continue;
      free[round]! -= jobs[i]!.gpus;
      plan[round]!.push(i);
      count--;
    }
    if (count > 0) return undefined;
  }
  return plan;
}

const worth = ({ priority, count, gpus: size }: Ranked): number => priority / (count * size);

/**
 * Round by round: who needs all rounds that are left, then by priority; largest first where what remains would not fit otherwise.
 * What finds no room is left out: counts that fit into the window as a whole may not fit into its rounds, where jobs are few.
 */
export function inTurn(jobs: readonly Ranked[], rounds: number, gpus: number): number[][] {
  const left = jobs.map(({ count }) => count);
  const order = [...jobs.keys()].sort((a, b) => worth(jobs[b]!) - worth(jobs[a]!));
  const bySize = order.toSorted((a, b) => jobs[b]!.gpus - jobs[a]!.gpus);
  const plan: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const due = (i: number): boolean => left[i]! >= rounds - round;
    const filled = (by: readonly number[]): readonly [chosen: number[], free: number] => {
      const waiting = by.filter((i) => left[i]! > 0);
      const chosen: number[] = [];
      let free = gpus;
      for (const i of [...waiting.filter(due), ...waiting.filter((j) => !due(j))]) {
        if (jobs[i]!.gpus > free) continue;
        free -= jobs[i]!.gpus;
        chosen.push(i);
      }
      return [chosen, free];
    };
    const work = left.reduce((sum, count, i) => sum + count * jobs[i]!.gpus, 0);
    const [byWorth, free] = filled(order);
    const chosen = work - gpus + free > gpus * (rounds - round - 1) ? filled(bySize)[0] : byWorth;
    for (const i of chosen) left[i]!--;
    plan.push(chosen);
  }
  return plan;
}

function best(jobs: readonly Ranked[], rounds: number, gpus: number, limits: Limits): number[][] {
  const program = new LinearProgram("minimise");
  const heaviest = jobs.reduce((most, { priority, count }) => (count > 0 ? Math.max(most, priority) : most), 1e-300);
  const capacity: Term[][] = Array.from({ length: rounds }, () => []);
  const cells = jobs.map(({ gpus: size, count, priority }) => {
    if (count === 0) return [];
    const row = capacity.map((terms, round) => {
      const cost = (priority / heaviest) * (round / count);
      const cell = program.variable({ cost, max: 1, integer: true });
      terms.push([cell, size]);
      return cell;
    });
    program.equal(
      count,
      row.map((cell) => [cell, 1]),
    );
    return row;
  });
  for (const terms of capacity) if (terms.length > 0) program.atMost(gpus, terms);
  const values = solve(program, limits)?.values;
  if (values === undefined) return inTurn(jobs, rounds, gpus);
  return capacity.map((_, round) =>
    cells.flatMap((row, i) => (row.length > 0 && values[row[round]!]! > 0.5 ? [i] : [])),
  );
}
