/**
 * Cone programs by the path of an interior-point method: with many optima, where the path ends depends on each of its steps.
 *
 * Published policies take the last point of ECOS (Domahidi, Chu, Boyd: ECOS, an SOCP solver for embedded systems, ECC 2013), which is
 * not the middle of the optima. These are its steps: self-dual embedding, Nesterov and Todd's scaling, Mehrotra's corrector, 0.99 of
 * the way to the wall.
 *
 *     minimise cᵀx over Gx + s = h, s in the cone of lines and second-order cones of `ConeScaling`; about 15 iterations
 *
 * Variables that are alike stay equal on the whole path: a program with copies is followed as if each were written out, with inner
 * products that count every copy, and costs what its classes cost.
 */
import { ConeScaling } from "./cone-scaling.ts";

/** The equations of a program, as it is built. */
export interface ConeEquations {
  readonly c: Float64Array;
  readonly h: Float64Array;
  readonly lines: number;
  readonly cones: number;
  /** How many variables that are alike each stands for, and how many rows; one where it is absent. A cone's rows have equally many. */
  readonly copies?: Float64Array;
  readonly rowCopies?: Float64Array;
  /** Gx, in one copy of each row. */
  times(x: Float64Array, out: Float64Array): void;
  /** Gᵀz, for one copy of each variable. */
  transposed(z: Float64Array, out: Float64Array): void;
  /** `inverse`: eigenvalues of the inverse of V, in the directions of the scaling. `regular` stands on the diagonal of the variables. */
  factorise(inverse: Float64Array, scaling: ConeScaling, regular: number): void;
  /** regular·x + Gᵀz = a, Gx − Vz = b. */
  solve(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): void;
}

/** So often rows and columns of a program are divided by the roots of their largest entries before it is followed. */
export const balanceRounds = 3;
/** What a row or a column whose largest entry this is is divided by. */
export const balanceBy = (largest: number): number => (largest < 1e-6 ? 1 : Math.sqrt(largest));

/** On the diagonal of the variables, and taken off that of the duals: a free variable has nothing else there. */
const regular = 7e-8;
const iterationsMax = 100;
const [stepLeast, stepMost, stepPart] = [1e-6, 0.999, 0.99];
const tolerance = 1e-8;
const refinementsMax = 9;

/** How good a point is; the smaller, the better. */
interface Measures {
  readonly gap: number;
  readonly mu: number;
  readonly primal: number;
  readonly dual: number;
  readonly ratio: number;
}

type State = "optimal" | "infeasible" | "between";

export interface End {
  readonly x: Float64Array;
  /** How far the rows, or those of the dual, are from satisfied: relatively, the worse of the two. */
  readonly residual: number;
}

/** `undefined` where it is proved that no x will do; the best of the path where that is lost before it got as near as it should. */
export function followed(equations: ConeEquations): End | undefined {
  return new Path(equations).follow();
}

class Path {
  readonly #of: ConeEquations;
  readonly #scaling: ConeScaling;
  /** Eigenvalues of V = W² + regular, and of its inverse. */
  readonly #v: Float64Array;
  readonly #inverse: Float64Array;
  readonly #x: Float64Array;
  readonly #s: Float64Array;
  readonly #z: Float64Array;
  #tau = 1;
  #kappa = 1;
  readonly #rx: Float64Array;
  readonly #rz: Float64Array;
  #rt = 0;
  /** Room for right sides and for what refinement adds. */
  readonly #ofX: readonly Float64Array[];
  readonly #ofRows: readonly Float64Array[];
  /** Lines and cones, with their copies. */
  readonly #count: number;
  readonly #norms: readonly [c: number, h: number];

  constructor(of: ConeEquations) {
    this.#of = of;
    const { c, h } = of;
    const columns = (): Float64Array => new Float64Array(c.length);
    const rows = (): Float64Array => new Float64Array(h.length);
    this.#scaling = new ConeScaling(of.lines, of.cones);
    [this.#v, this.#inverse, this.#s, this.#z, this.#rz] = [rows(), rows(), rows(), rows(), rows()];
    [this.#x, this.#rx] = [columns(), columns()];
    this.#ofX = Array.from({ length: 5 }, columns);
    this.#ofRows = Array.from({ length: 9 }, rows);
    const once = (i: number): boolean => i < of.lines || (i - of.lines) % 3 === 0;
    this.#count = h.reduce((n, _, i) => (once(i) ? n + (of.rowCopies?.[i] ?? 1) : n), 0);
    this.#norms = [Math.max(1, Math.sqrt(this.#byX(c, c))), Math.max(1, Math.sqrt(this.#byRow(h, h)))];
    this.#factorise();
    this.#solve(columns(), h, this.#x, this.#s);
    for (let i = 0; i < h.length; i++) this.#s[i] = -this.#s[i]!;
    this.#scaling.intoCone(this.#s);
    const minusC = c.map((v) => -v);
    this.#solve(minusC, rows(), columns(), this.#z);
    this.#scaling.intoCone(this.#z);
  }

  follow(): End | undefined {
    let best: (End & { readonly of: Measures }) | undefined;
    let [before, step] = [Number.POSITIVE_INFINITY, 1];
    for (let iteration = 0; iteration <= iterationsMax; iteration++) {
      const [measures, state] = this.#measure();
      if (state === "infeasible") return undefined;
      const optimal = state === "optimal";
      const lost = !(measures.gap >= 0 && measures.primal <= 500 * before);
      if (best !== undefined && (lost || (step === stepLeast * stepPart && !optimal))) break;
      before = measures.primal;
      if (optimal || best === undefined || better(measures, best.of))
        best = {
          of: measures,
          x: this.#x.map((v) => v / this.#tau),
          residual: Math.max(measures.primal, measures.dual),
        };
      if (optimal || iteration === iterationsMax || !this.#scaling.update(this.#s, this.#z)) break;
      this.#factorise();
      step = this.#advance(measures.mu);
    }
    return best!;
  }

  /** Residuals at the point, and how good it is. */
  #measure(): [Measures, State] {
    const { c, h } = this.#of;
    const tau = this.#tau;
    const ofX = (v: Float64Array): number => Math.sqrt(this.#byX(v, v));
    const ofRows = (v: Float64Array): number => Math.sqrt(this.#byRow(v, v));
    const hz = this.#byRow(h, this.#z);
    this.#of.transposed(this.#z, this.#rx);
    const ray = hz < 0 && tau < this.#kappa ? ofX(this.#rx) : Number.POSITIVE_INFINITY;
    for (let j = 0; j < c.length; j++) this.#rx[j] = -this.#rx[j]! - tau * c[j]!;
    this.#of.times(this.#x, this.#rz);
    for (let i = 0; i < h.length; i++) this.#rz[i]! += this.#s[i]! - tau * h[i]!;
    const [cx, gap] = [this.#byX(c, this.#x), this.#byRow(this.#s, this.#z)];
    this.#rt = this.#kappa + cx + hz;
    const [ofC, ofH] = this.#norms;
    const primal = ofRows(this.#rz) / Math.max(1, ofH + ofX(this.#x) + ofRows(this.#s)) / tau;
    const dual = ofX(this.#rx) / Math.max(1, ofC + ofRows(this.#z)) / tau;
    const mu = (gap + this.#kappa * tau) / (this.#count + 1);
    const scale = cx < 0 ? -cx / tau : hz < 0 ? -hz / tau : 0;
    const optimal =
      (cx < 0 || hz <= tolerance) && Math.max(primal, dual) < tolerance && (gap < tolerance || gap < tolerance * scale);
    // A ray of the dual that proves that no x will do.
    const state = optimal ? "optimal" : ray < tolerance * -hz ? "infeasible" : "between";
    return [{ gap, mu, primal, dual, ratio: this.#kappa / tau }, state];
  }

  /** One step; its length. */
  #advance(mu: number): number {
    const { c, h } = this.#of;
    const scaling = this.#scaling;
    const [tau, kappa] = [this.#tau, this.#kappa];
    const [x1, x2, a] = this.#ofX as [Float64Array, Float64Array, Float64Array];
    const [z1, z2, b, sW, zW, ds] = this.#ofRows as Float64Array[] as [
      ...[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array],
    ];
    for (let j = 0; j < c.length; j++) a[j] = -c[j]!;
    this.#solve(a, h, x1, z1);
    const denominator = kappa / tau - this.#byX(c, x1) - this.#byRow(h, z1);
    const towards = (share: number, dk: number): readonly [dtau: number, dkappa: number] => {
      for (let j = 0; j < c.length; j++) a[j] = share * this.#rx[j]!;
      this.#solve(a, b, x2, z2);
      const dtau = (share * this.#rt - dk / tau + this.#byX(c, x2) + this.#byRow(h, z2)) / denominator;
      for (let i = 0; i < h.length; i++) z2[i]! += dtau * z1[i]!;
      scaling.apply(scaling.eigen, z2, zW);
      for (let i = 0; i < h.length; i++) sW[i] = -ds[i]! - zW[i]!;
      return [dtau, -(dk + kappa * dtau) / tau];
    };
    ds.set(scaling.lambda);
    for (let i = 0; i < h.length; i++) b[i] = this.#s[i]! - this.#rz[i]!;
    const [affineTau, affineKappa] = towards(1, kappa * tau);
    const sigma = Math.min(1, Math.max(1e-4, (1 - this.#reach(sW, zW, affineTau, affineKappa)) ** 3));
    scaling.corrected(sW, zW, sigma * mu, ds);
    scaling.apply(scaling.eigen, ds, b);
    for (let i = 0; i < h.length; i++) b[i]! -= (1 - sigma) * this.#rz[i]!;
    const [dtau, dkappa] = towards(1 - sigma, kappa * tau + affineKappa * affineTau - sigma * mu);
    const step = stepPart * this.#reach(sW, zW, dtau, dkappa);
    scaling.apply(scaling.eigen, sW, sW);
    for (let j = 0; j < c.length; j++) this.#x[j]! += step * (x2[j]! + dtau * x1[j]!);
    for (let i = 0; i < h.length; i++) {
      this.#s[i]! += step * sW[i]!;
      this.#z[i]! += step * z2[i]!;
    }
    this.#tau += step * dtau;
    this.#kappa += step * dkappa;
    return step;
  }

  #reach(ds: Float64Array, dz: Float64Array, dtau: number, dkappa: number): number {
    const ends = Math.max(0, -dtau / this.#tau, -dkappa / this.#kappa);
    const reciprocal = this.#scaling.reciprocalReach(dz, this.#scaling.reciprocalReach(ds, ends));
    return Math.max(stepLeast, Math.min(stepMost, 1 / reciprocal));
  }

  #factorise(): void {
    const { eigen } = this.#scaling;
    for (let i = 0; i < eigen.length; i++) {
      this.#v[i] = eigen[i]! ** 2 + regular;
      this.#inverse[i] = 1 / this.#v[i]!;
    }
    this.#of.factorise(this.#inverse, this.#scaling, regular);
  }

  /** Solves, and again with what rounding leaves over, as long as that gets much less. */
  #solve(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): void {
    const of = this.#of;
    const [ex, dx] = this.#ofX.slice(3) as [Float64Array, Float64Array];
    const [ez, dz, vz] = this.#ofRows.slice(6) as [Float64Array, Float64Array, Float64Array];
    of.solve(a, b, x, z);
    const enough = 1e-14 * (1 + Math.max(largest(a), largest(b)));
    for (let pass = 0, last = Number.POSITIVE_INFINITY; ; pass++) {
      of.transposed(z, ex);
      for (let j = 0; j < ex.length; j++) ex[j] = a[j]! - ex[j]! - regular * x[j]!;
      of.times(x, ez);
      this.#scaling.apply(this.#v, z, vz);
      for (let i = 0; i < ez.length; i++) ez[i] = b[i]! - ez[i]! + vz[i]!;
      const error = Math.max(largest(ex), largest(ez));
      if (pass > 0 && !(error <= last)) {
        for (let j = 0; j < x.length; j++) x[j]! -= dx[j]!;
        for (let i = 0; i < z.length; i++) z[i]! -= dz[i]!;
        return;
      }
      if (pass === refinementsMax || error < enough || last < 6 * error) return;
      last = error;
      of.solve(ex, ez, dx, dz);
      for (let j = 0; j < x.length; j++) x[j]! += dx[j]!;
      for (let i = 0; i < z.length; i++) z[i]! += dz[i]!;
    }
  }

  #byX(a: Float64Array, b: Float64Array): number {
    return dot(a, b, this.#of.copies);
  }

  #byRow(a: Float64Array, b: Float64Array): number {
    return dot(a, b, this.#of.rowCopies);
  }
}

const better = (a: Measures, b: Measures): boolean =>
  a.gap < b.gap && a.primal < b.primal && a.dual < b.dual && a.ratio < b.ratio && a.mu < b.mu;

function dot(a: Float64Array, b: Float64Array, copies: Float64Array | undefined): number {
  let sum = 0;
  if (copies === undefined) for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  else for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]! * copies[i]!;
  return sum;
}

function largest(a: Float64Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]!));
  return most;
}
