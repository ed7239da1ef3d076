/**
 * The market of the next rounds: how many of them each job gets (Shockwave, NSDI 2023, §4.1 and §5).
 *
 * Maximises the mean over jobs of the logarithm of progress, which is Nash's social welfare, less the longest time that is left after
 * the window. A job cannot be in a round twice and all sizes divide each other in practice, so that counts that fit into the
 * window fit into its rounds: the published program has a binary variable for each job and round instead, and needs a solver's day.
 */
import type { Seconds } from "../../../time/clock.ts";
import { LinearProgram, type Term } from "../../linear-program.ts";
import { solve } from "../../solver.ts";

export interface Bidder {
  readonly gpus: number;
  readonly epochs: number;
  /** Epochs done. */
  readonly done: number;
  /** Of one epoch, as it was until now. */
  readonly epochSeconds: Seconds;
  readonly remaining: Seconds;
  /** It is to end by then. */
  readonly due: Seconds;
}

export interface Window {
  readonly gpus: number;
  readonly rounds: number;
  readonly roundSeconds: Seconds;
  /** When it ends. */
  readonly end: Seconds;
  /** GPUs for each job, at most 1: how much longer the rest of a job takes on its part. */
  readonly share: number;
  /** Weight of the longest rest. */
  readonly tail: number;
}

export interface Limits {
  readonly gap: number;
  readonly nodes: number;
}

/** Progress at which the logarithm is exact; at nothing done it is that of 10⁻⁶. */
const bases = [0, 0.2, 0.4, 0.6, 0.8, 1];
const logarithms = bases.map((base) => Math.log(base === 0 ? 1e-6 : base));

/**
 * Rounds of the window by job; `undefined` where `inTime` asks for what cannot be had. `weights` are those of the logarithms.
 */
export function rounds(
  window: Window,
  bidders: readonly Bidder[],
  weights: readonly number[],
  inTime: boolean,
  limits: Limits,
): readonly number[] | undefined {
  const program = new LinearProgram("maximise");
  const longest = program.variable({ cost: -window.tail });
  const counts: number[] = [];
  const capacity: Term[] = [];
  for (const [i, bidder] of bidders.entries()) {
    const { epochs, done, gpus, epochSeconds, remaining } = bidder;
    const count = program.variable({ max: window.rounds, integer: true });
    counts.push(count);
    capacity.push([count, gpus]);
    const progress = program.variable({ max: epochs - done });
    program.atMost(0, [
      [progress, epochSeconds],
      [count, -window.roundSeconds],
    ]);
    const scale = weights[i]! / (bidders.length * window.rounds);
    const parts = logarithms.map((log) => program.variable({ cost: scale * log }));
    program.equal(
      1,
      parts.map((part) => [part, 1]),
    );
    program.equal(done / epochs, [...parts.map((part, b): Term => [part, bases[b]!]), [progress, -1 / epochs]]);
    program.atLeast(remaining, [
      [longest, 1],
      [progress, epochSeconds],
    ]);
    if (!inTime) continue;
    const slack = (bidder.due - window.end) * window.share;
    if (slack < 0) return undefined;
    program.atLeast(remaining - slack, [[progress, epochSeconds]]);
  }
  program.atMost(window.gpus * window.rounds, capacity);
  const solution = solve(program, limits);
  return solution === undefined ? undefined : counts.map((count) => Math.round(solution.values[count]!) + 0);
}
