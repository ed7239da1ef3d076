/**
 * The middle of all that satisfies a program's rows: where the sum of the logarithms of the distances to the walls is largest.
 *
 * Where a policy asks for any point that is good enough, this one depends on the program alone, and not on how a solver came there.
 * Newton's method from a point inside, damped by the decrement, with the equations of `bordered-system.ts`.
 */
import { BorderedSystem } from "./bordered-system.ts";
import { centre } from "./central-path.ts";
import type { LinearProgram, Row, Term } from "./linear-program.ts";

/** One side of a row or a bound: the sum of the terms is at least `min`. */
interface Wall {
  readonly terms: readonly Term[];
  readonly min: number;
  /** A wall of 1/(sum of terms) ≤ 1/min rather than of the sum itself. */
  readonly hyperbolic: boolean;
  readonly copies: number;
}

const iterationsMax = 100;
const settled = 1e-12;

/**
 * Values of the variables, or `undefined` where nothing satisfies the rows. Costs are not looked at; integers and equal rows may not be.
 *
 * `hyperbolic` rows, by their index, have a least value and bound the reciprocal of their sum y: a second-order cone, ‖(y − u, 2)‖ ≤
 * y + u with u ≤ 1/min, whose barrier is log(yu − 1) + log(1/min − u). At the best u that is 2 log(y − min) − log y.
 */
export function analyticCentre(program: LinearProgram, hyperbolic: ReadonlySet<number>): Float64Array | undefined {
  const start = centre(program);
  if (start === undefined) return undefined;
  const walls = wallsOf(program, hyperbolic);
  const system = new BorderedSystem(
    walls.map(({ terms }) => terms),
    program.variables,
  );
  let x = start;
  for (let iteration = 0; iteration < iterationsMax; iteration++) {
    const slacks = slacksOf(walls, x);
    // The path ends within its tolerance of a wall, which may be beyond it: what it found has to do then.
    if (!slacks.every((slack) => slack > 0)) return start;
    const push = slacks.map((s, i) => walls[i]!.copies * pushOf(walls[i]!, s));
    const curve = slacks.map((s, i) => walls[i]!.copies * curveOf(walls[i]!, s));
    system.factorise(curve.map((c) => 1 / c));
    const { x: step } = system.solve(
      new Float64Array(x.length),
      push.map((p, i) => p / curve[i]!),
    );
    const moved = walls.map(({ terms }) => terms.reduce((sum, [j, a]) => sum + a * step[j]!, 0));
    const decrement = Math.sqrt(moved.reduce((sum, m, i) => sum + curve[i]! * m * m, 0));
    const length = decrement < 0.25 ? 1 : 1 / (1 + decrement);
    x = x.map((value, j) => value + length * step[j]!);
    if (decrement < settled) break;
  }
  return slacksOf(walls, x).every((slack) => slack > 0) ? x : start;
}

/** First derivative of a wall's barrier, at a distance of `s`. */
const pushOf = ({ hyperbolic, min }: Wall, s: number): number => (hyperbolic ? 2 / s - 1 / (s + min) : 1 / s);

/** The second, with its sign changed. */
const curveOf = ({ hyperbolic, min }: Wall, s: number): number =>
  hyperbolic ? 2 / s ** 2 - 1 / (s + min) ** 2 : 1 / s ** 2;

function wallsOf(program: LinearProgram, hyperbolic: ReadonlySet<number>): Wall[] {
  const walls: Wall[] = [];
  const add = (row: Row, bent: boolean): void => {
    const { min, max, copies } = row;
    const terms = row.terms.map(([j, a]): Term => [j, a * program.inRow(j, row)]);
    if (Number.isFinite(min)) walls.push({ terms, min, copies, hyperbolic: bent && min > 0 });
    if (Number.isFinite(max)) {
      walls.push({ terms: terms.map(([j, a]) => [j, -a]), min: -max, copies, hyperbolic: false });
    }
  };
  for (let j = 0; j < program.variables; j++) {
    add({ terms: [[j, 1]], min: program.mins[j]!, max: program.maxs[j]!, copies: program.copies[j]! }, false);
  }
  for (const [i, row] of program.rows.entries()) add(row, hyperbolic.has(i));
  return walls;
}

const slacksOf = (walls: readonly Wall[], x: Float64Array): Float64Array =>
  Float64Array.from(walls, ({ terms, min }) => terms.reduce((sum, [j, a]) => sum + a * x[j]!, -min));
