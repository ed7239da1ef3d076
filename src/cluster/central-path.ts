/**
 * Linear programs solved to the middle of their optimal face.
 *
 * An allocation is seldom the only optimum: whatever the bottleneck leaves over may go to anyone. A simplex method answers with a
 * corner, where one of two equal jobs gets all and the other nothing; an interior-point method ends near the centre of the face, where
 * equal jobs get equal shares. Gavel's published runs were solved so, by ECOS, and this follows the same path, `cone-path.ts`: all rows
 * are lines.
 */
import { assert } from "../core/errors.ts";
import { BorderedSystem } from "./bordered-system.ts";
import { balanceBy, balanceRounds, type ConeEquations, followed } from "./cone-path.ts";
import type { ConeScaling } from "./cone-scaling.ts";
import type { LinearProgram, Row, Term } from "./linear-program.ts";

interface Cone {
  /** Of one copy of a row, with all copies of a variable that stand in it. */
  readonly rows: readonly (readonly Term[])[];
  /** Of one copy of a variable, with all copies of a row that it stands in: the same places as in `rows`. */
  readonly columns: readonly (readonly number[])[];
  /** Copies of each row and of each variable. */
  readonly rowCopies: Float64Array;
  readonly copies: Float64Array;
  readonly h: Float64Array;
  readonly c: Float64Array;
  /** What each variable was divided by to balance the matrix. */
  readonly scale: Float64Array;
}

/** A path that is lost farther than this from its rows was not on its way to a solution. */
const residualMost = 1e-4;

/**
 * Values of the variables, or `undefined` where the path finds no optimum: nothing satisfies the rows, or costs have no bound. The program
 * has no integers and no equal rows.
 */
export function centre(program: LinearProgram): Float64Array | undefined {
  const cone = balanced(program);
  const end = followed(new LinearEquations(cone));
  return end && end.residual < residualMost ? end.x.map((value, j) => value / cone.scale[j]!) : undefined;
}

/** In the form of the cone, bounds first; then three rounds of dividing rows and columns by the roots of their largest entries. */
function balanced(program: LinearProgram): Cone {
  assert(program.integers.size === 0, () => "the central path of a program with integers");
  const rows: Term[][] = [];
  const bounds: number[] = [];
  const origins: Row[] = [];
  const add = (row: Row): void => {
    const { terms, min, max } = row;
    assert(min < max, () => `the central path of a program with a row that is ${min}`);
    if (Number.isFinite(min)) {
      rows.push(terms.map(([j, a]) => [j, -a]));
      bounds.push(-min);
      origins.push(row);
    }
    if (Number.isFinite(max)) {
      rows.push(terms.map(([j, a]) => [j, a]));
      bounds.push(max);
      origins.push(row);
    }
  };
  for (let j = 0; j < program.variables; j++) {
    add({ terms: [[j, 1]], min: program.mins[j]!, max: program.maxs[j]!, copies: program.copies[j]! });
  }
  for (const row of program.rows) add(row);
  const sign = program.sense === "maximise" ? -1 : 1;
  const c = Float64Array.from(program.costs, (cost) => sign * cost);
  const h = Float64Array.from(bounds);
  const scale = new Float64Array(c.length).fill(1);
  for (let round = 0; round < balanceRounds; round++) {
    const columns = new Float64Array(c.length);
    const largest = rows.map((row) => row.reduce((n, [, a]) => Math.max(n, Math.abs(a)), 0));
    for (const row of rows) for (const [j, a] of row) columns[j] = Math.max(columns[j]!, Math.abs(a));
    for (const [i, row] of rows.entries()) {
      rows[i] = row.map(([j, a]) => [j, a / balanceBy(largest[i]!) / balanceBy(columns[j]!)]);
      h[i]! /= balanceBy(largest[i]!);
    }
    for (let j = 0; j < c.length; j++) {
      scale[j]! *= balanceBy(columns[j]!);
      c[j]! /= balanceBy(columns[j]!);
    }
  }
  return {
    rows: rows.map((row, i) => row.map(([j, a]) => [j, a * program.inRow(j, origins[i]!)])),
    columns: rows.map((row, i) => row.map(([j, a]) => a * program.ofRow(j, origins[i]!))),
    rowCopies: Float64Array.from(origins, ({ copies }) => copies),
    copies: Float64Array.from(program.copies),
    ...{ h, c, scale },
  };
}

/** The equations of one copy each are those of the bordered system, whose duals are those of all copies of a row together. */
class LinearEquations implements ConeEquations {
  readonly c: Float64Array;
  readonly h: Float64Array;
  readonly lines: number;
  readonly cones = 0;
  readonly copies: Float64Array;
  readonly rowCopies: Float64Array;
  /** Where each row's entries begin; their variables, and coefficients as in `rows` and in `columns`. */
  readonly #begin: Int32Array;
  readonly #variables: Int32Array;
  readonly #inRows: Float64Array;
  readonly #ofRows: Float64Array;
  readonly #system: BorderedSystem;
  readonly #weights: Float64Array;
  readonly #diagonal: Float64Array;
  readonly #right: Float64Array;

  constructor({ rows, columns, rowCopies, copies, h, c }: Cone) {
    [this.c, this.h, this.lines] = [c, h, h.length];
    [this.copies, this.rowCopies] = [copies, rowCopies];
    this.#begin = new Int32Array(rows.length + 1);
    for (const [i, row] of rows.entries()) this.#begin[i + 1] = this.#begin[i]! + row.length;
    this.#variables = Int32Array.from(rows.flatMap((row) => row.map(([j]) => j)));
    this.#inRows = Float64Array.from(rows.flatMap((row) => row.map(([, a]) => a)));
    this.#ofRows = Float64Array.from(columns.flat());
    this.#system = new BorderedSystem(rows, c.length);
    this.#weights = new Float64Array(h.length);
    this.#diagonal = new Float64Array(c.length);
    this.#right = new Float64Array(c.length);
  }

  times(x: Float64Array, out: Float64Array): void {
    const [begin, variables, values] = [this.#begin, this.#variables, this.#inRows];
    for (let i = 0; i < out.length; i++) {
      let sum = 0;
      for (let t = begin[i]!; t < begin[i + 1]!; t++) sum += values[t]! * x[variables[t]!]!;
      out[i] = sum;
    }
  }

  transposed(z: Float64Array, out: Float64Array): void {
    const [begin, variables, values] = [this.#begin, this.#variables, this.#ofRows];
    out.fill(0);
    for (let i = 0; i < z.length; i++) {
      for (let t = begin[i]!; t < begin[i + 1]!; t++) out[variables[t]!]! += values[t]! * z[i]!;
    }
  }

  factorise(inverse: Float64Array, _scaling: ConeScaling, regular: number): void {
    for (let i = 0; i < inverse.length; i++) this.#weights[i] = 1 / (inverse[i]! * this.rowCopies[i]!);
    for (let j = 0; j < this.copies.length; j++) this.#diagonal[j] = regular * this.copies[j]!;
    this.#system.factorise(this.#weights, this.#diagonal);
  }

  solve(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): void {
    for (let j = 0; j < a.length; j++) this.#right[j] = a[j]! * this.copies[j]!;
    this.#system.solveOnce(this.#right, b, x, z);
    for (let i = 0; i < z.length; i++) z[i]! /= this.rowCopies[i]!;
  }
}
