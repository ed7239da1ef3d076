/**
 * Linear programs solved to the middle of their optimal face.
 *
 * An allocation is seldom the only optimum: whatever the bottleneck leaves over may go to anyone. A simplex method answers with a
 * corner, where one of two equal jobs gets all and the other nothing; an interior-point method ends near the centre of the face, where
 * equal jobs get equal shares. Gavel's published runs were solved so, by ECOS, and this follows the same path: primal-dual, with the
 * self-dual embedding, Mehrotra's corrector and steps of 0.99 of the way to the wall (Domahidi, Chu, Boyd: ECOS, an SOCP solver for
 * embedded systems, ECC 2013; Vandenberghe: The CVXOPT linear and quadratic cone program solvers, 2010), for the linear cone.
 *
 *     minimise cᵀx over Gx + s = h, s ≥ 0      rows: m, variables: n; about 15 iterations
 *
 * Variables that are alike stay equal on the whole path: a program with copies is followed as if each were written out, with inner
 * products that count every copy, and costs what its classes cost.
 */
import { assert } from "../core/errors.ts";
import { BorderedSystem } from "./bordered-system.ts";
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

const tolerance = 1e-8;
const iterationsMax = 100;

/** Values of the variables, or `undefined` where nothing satisfies the rows. The program has no integers and no equal rows. */
export function centre(program: LinearProgram): Float64Array | undefined {
  const cone = balanced(program);
  const x = new Path(cone).follow();
  return x?.map((value, j) => value / cone.scale[j]!);
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
  for (let round = 0; round < 3; round++) {
    const columns = new Float64Array(c.length);
    const largest = rows.map((row) => row.reduce((n, [, a]) => Math.max(n, Math.abs(a)), 0));
    for (const row of rows) for (const [j, a] of row) columns[j] = Math.max(columns[j]!, Math.abs(a));
    const root = (n: number): number => (n < 1e-6 ? 1 : Math.sqrt(n));
    for (const [i, row] of rows.entries()) {
      rows[i] = row.map(([j, a]) => [j, a / root(largest[i]!) / root(columns[j]!)]);
      h[i]! /= root(largest[i]!);
    }
    for (let j = 0; j < c.length; j++) {
      scale[j]! *= root(columns[j]!);
      c[j]! /= root(columns[j]!);
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

interface Step {
  readonly x: Float64Array;
  readonly z: Float64Array;
  readonly s: Float64Array;
  readonly tau: number;
  readonly kappa: number;
}

class Path {
  readonly #cone: Cone;
  /** Rows, with their copies. */
  readonly #count: number;
  #x: Float64Array;
  #s: Float64Array;
  #z: Float64Array;
  #tau = 1;
  #kappa = 1;
  /** Squares of the scaling, s/z, by row. */
  #weights: Float64Array;
  readonly #system: BorderedSystem;

  constructor(cone: Cone) {
    this.#cone = cone;
    const [m, n] = [cone.h.length, cone.c.length];
    this.#count = cone.rowCopies.reduce((a, b) => a + b, 0);
    this.#weights = new Float64Array(m).fill(1);
    this.#system = new BorderedSystem(cone.rows, n);
    this.#factorise();
    const primal = this.#solve(new Float64Array(n), cone.h);
    this.#x = primal.x;
    this.#s = insideCone(primal.z.map((r) => -r));
    this.#z = insideCone(
      this.#solve(
        cone.c.map((v) => -v),
        new Float64Array(m),
      ).z,
    );
  }

  follow(): Float64Array | undefined {
    for (let iteration = 0; iteration < iterationsMax; iteration++) {
      const { c, h } = this.#cone;
      const tau = this.#tau;
      const rx = this.#transposed(this.#z).map((g, j) => -g - c[j]! * tau);
      const rz = this.#times(this.#x).map((g, i) => g + this.#s[i]! - h[i]! * tau);
      const [cx, hz, gap] = [this.#byX(c, this.#x), this.#byRow(h, this.#z), this.#byRow(this.#s, this.#z)];
      if (this.#optimal(rx, rz, cx, hz, gap)) return this.#x.map((value) => value / tau);
      if (this.#infeasible(hz)) return undefined;
      this.#advance(rx, rz, this.#kappa + cx + hz, (gap + this.#kappa * tau) / (this.#count + 1));
    }
    return this.#tau > this.#kappa ? this.#x.map((value) => value / this.#tau) : undefined;
  }

  #optimal(rx: Float64Array, rz: Float64Array, cx: number, hz: number, gap: number): boolean {
    const { c, h } = this.#cone;
    const tau = this.#tau;
    const ofX = (v: Float64Array): number => Math.sqrt(this.#byX(v, v));
    const ofRows = (v: Float64Array): number => Math.sqrt(this.#byRow(v, v));
    const primal = ofRows(rz) / Math.max(ofRows(h) + ofX(this.#x) + ofRows(this.#s), 1) / tau;
    const dual = ofX(rx) / Math.max(ofX(c) + ofRows(this.#z), 1) / tau;
    const relative = cx < 0 ? (gap * tau) / -cx : hz < 0 ? (gap * tau) / -hz : Number.POSITIVE_INFINITY;
    return primal < tolerance && dual < tolerance && (gap < tolerance || relative / (tau * tau) < tolerance);
  }

  /** A ray of the dual that proves that no x will do. */
  #infeasible(hz: number): boolean {
    const ray = this.#transposed(this.#z);
    return hz < 0 && this.#tau < this.#kappa && Math.sqrt(this.#byX(ray, ray)) / -hz < tolerance;
  }

  #advance(rx: Float64Array, rz: Float64Array, rt: number, mu: number): void {
    const { c, h } = this.#cone;
    const [tau, kappa] = [this.#tau, this.#kappa];
    this.#weights = this.#s.map((value, i) => value / this.#z[i]!);
    this.#factorise();
    const constant = this.#solve(
      c.map((v) => -v),
      h,
    );
    const denominator = kappa / tau - this.#byX(c, constant.x) - this.#byRow(h, constant.z);
    /** `ds` is what s∘z is to become less by; `dk` the same for κτ. */
    const step = (share: number, ds: Float64Array, dk: number): Step => {
      const part = this.#solve(
        rx.map((r) => share * r),
        rz.map((r, i) => -share * r + ds[i]! / this.#z[i]!),
      );
      const dtau = (share * rt - dk / tau + this.#byX(c, part.x) + this.#byRow(h, part.z)) / denominator;
      const z = part.z.map((v, i) => v + dtau * constant.z[i]!);
      return {
        x: part.x.map((v, j) => v + dtau * constant.x[j]!),
        z,
        s: z.map((dz, i) => -(ds[i]! + this.#s[i]! * dz) / this.#z[i]!),
        tau: dtau,
        kappa: -(dk + kappa * dtau) / tau,
      };
    };
    const products = this.#s.map((value, i) => value * this.#z[i]!);
    const affine = step(1, products, kappa * tau);
    const sigma = Math.min(1, Math.max(1e-4, (1 - this.#reach(affine)) ** 3));
    const corrected = step(
      1 - sigma,
      products.map((p, i) => p + affine.s[i]! * affine.z[i]! - sigma * mu),
      kappa * tau + affine.kappa * affine.tau - sigma * mu,
    );
    const length = 0.99 * this.#reach(corrected);
    this.#x = this.#x.map((v, j) => v + length * corrected.x[j]!);
    this.#s = this.#s.map((v, i) => v + length * corrected.s[i]!);
    this.#z = this.#z.map((v, i) => v + length * corrected.z[i]!);
    this.#tau += length * corrected.tau;
    this.#kappa += length * corrected.kappa;
  }

  /** How much of the step stays inside the cone, at most 0.999. */
  #reach(step: Step): number {
    let worst = Math.min(step.tau / this.#tau, step.kappa / this.#kappa);
    for (let i = 0; i < this.#s.length; i++)
      worst = Math.min(worst, step.s[i]! / this.#s[i]!, step.z[i]! / this.#z[i]!);
    return Math.max(1e-6, Math.min(0.999, worst < 0 ? -1 / worst : 1));
  }

  /** The equations of one copy each are those of the bordered system, whose duals are those of all copies of a row together. */
  #factorise(): void {
    const { rowCopies } = this.#cone;
    this.#system.factorise(this.#weights.map((w, i) => w / rowCopies[i]!));
  }

  #solve(a: Float64Array, b: Float64Array): { readonly x: Float64Array; readonly z: Float64Array } {
    const { copies, rowCopies } = this.#cone;
    const { x, z } = this.#system.solve(
      a.map((v, j) => v * copies[j]!),
      b,
    );
    return { x, z: z.map((v, i) => v / rowCopies[i]!) };
  }

  #times(x: Float64Array): Float64Array {
    return Float64Array.from(this.#cone.rows, (row) => row.reduce((n, [j, a]) => n + a * x[j]!, 0));
  }

  #transposed(z: Float64Array): Float64Array {
    const { rows, columns, c } = this.#cone;
    const out = new Float64Array(c.length);
    for (const [i, row] of rows.entries()) {
      const column = columns[i]!;
      for (let t = 0; t < row.length; t++) out[row[t]![0]]! += column[t]! * z[i]!;
    }
    return out;
  }

  #byX(a: Float64Array, b: Float64Array): number {
    return dot(a, b, this.#cone.copies);
  }

  #byRow(a: Float64Array, b: Float64Array): number {
    return dot(a, b, this.#cone.rowCopies);
  }
}

/** Moved along the unit until it is inside; a little further where it was inside. */
function insideCone(r: Float64Array): Float64Array {
  const shift = r.reduce((most, value) => (value <= 0 ? Math.max(most, -value) : most), -0.99) + 1;
  return r.map((value) => value + shift);
}

function dot(a: Float64Array, b: Float64Array, copies: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]! * copies[i]!;
  return sum;
}
