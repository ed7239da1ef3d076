/**
 * Gavel's program of finish-time fairness as artifacts solve it: shares x of time, whose worst ratio of finish times t is least.
 *
 *     minimise t over  age + work/(rate·x) ≤ alone·t for each job,  0 ≤ x ≤ 1,  Σ gpus·x ≤ capacity
 *
 * In the form in which modelling tools hand it to a solver, for this decides where its path ends: variables t, x, u with rows
 *
 *     (work/alone) u − t ≤ −age/alone;  −x ≤ 0;  x ≤ 1;  gpus·x ≤ capacity;  (rate·x + u, rate·x − u, 2) in a second-order cone
 *
 * and three rounds of dividing rows and columns by the roots of their largest entries, a cone's rows alike. Jobs hang together by t and
 * by one row only, so that the equations of a step take time linear in the jobs.
 */
import { assert } from "../core/errors.ts";
import { balanceBy, balanceRounds, type ConeEquations, followed } from "./cone-path.ts";
import type { ConeScaling } from "./cone-scaling.ts";

export interface Claim {
  /** Since it came. */
  readonly age: number;
  readonly work: number;
  readonly rate: number;
  /** What its whole time would be on a share of its own. */
  readonly alone: number;
  readonly gpus: number;
}

/** Shares, 0 to 1: where the path is lost, those of its best point, as published runs take them. */
export function fairShares(claims: readonly Claim[], capacity: number): Float64Array {
  const equations = new ShareEquations(claims, capacity);
  const end = followed(equations);
  assert(end !== undefined, () => `no shares of ${capacity} GPUs for ${claims.length} jobs, whatever the worst ratio`);
  return equations.shares(end.x);
}

/** Entries of one job, by the row and the variable that they stand for. */
const [ratioT, ratioU, lowX, highX, sumX, coneX0, coneX1, coneU0, coneU1] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const entries = 9;

class ShareEquations implements ConeEquations {
  readonly c: Float64Array;
  readonly h: Float64Array;
  readonly lines: number;
  readonly cones: number;
  /** Entries of G, job by job. */
  readonly #g: Float64Array;
  readonly #scale: Float64Array;
  #inverse: Float64Array = new Float64Array();
  #scaling: ConeScaling | undefined;
  /** Inverses of the jobs' two by two, x and u: xx, xu, uu. */
  readonly #blocks: Float64Array;
  /** Where t meets the u of each job. */
  readonly #byT: Float64Array;
  /** Of t and of the dual of the sum, without the jobs. */
  #tt = 0;
  #ts = 0;
  #ss = 0;
  readonly #q: Float64Array;
  readonly #p: Float64Array;

  constructor(claims: readonly Claim[], capacity: number) {
    const n = claims.length;
    this.cones = n;
    this.lines = 3 * n + 1;
    this.c = new Float64Array(2 * n + 1);
    this.h = new Float64Array(6 * n + 1);
    this.#g = new Float64Array(entries * n);
    this.#scale = new Float64Array(2 * n + 1).fill(1);
    this.#blocks = new Float64Array(3 * n);
    this.#byT = new Float64Array(n);
    this.#q = new Float64Array(6 * n + 1);
    this.#p = new Float64Array(2 * n + 1);
    this.c[0] = 1;
    this.h[3 * n] = capacity;
    for (const [i, { age, work, rate, alone, gpus }] of claims.entries()) {
      this.h[i] = -age / alone;
      this.h[2 * n + i] = 1;
      this.h[this.lines + 3 * i + 2] = 2;
      this.#g.set([-1, work / alone, -1, 1, gpus, -rate, -rate, -1, 1], entries * i);
    }
    for (let round = 0; round < balanceRounds; round++) this.#balance();
  }

  shares(x: Float64Array): Float64Array {
    return Float64Array.from({ length: this.cones }, (_, i) => x[1 + i]! / this.#scale[1 + i]!);
  }

  #balance(): void {
    const { cones: n, lines } = this;
    const g = this.#g;
    const at = (entry: number, i: number): number => Math.abs(g[entries * i + entry]!);
    const columns = new Float64Array(2 * n + 1);
    const rows = new Float64Array(6 * n + 1);
    for (let i = 0; i < n; i++) {
      columns[0] = Math.max(columns[0]!, at(ratioT!, i));
      columns[1 + i] = Math.max(...[lowX!, highX!, sumX!, coneX0!, coneX1!].map((entry) => at(entry, i)));
      columns[1 + n + i] = Math.max(at(ratioU!, i), at(coneU0!, i), at(coneU1!, i));
      rows[i] = Math.max(at(ratioT!, i), at(ratioU!, i));
      [rows[n + i], rows[2 * n + i]] = [at(lowX!, i), at(highX!, i)];
      rows[3 * n] = Math.max(rows[3 * n]!, at(sumX!, i));
      const cone = Math.max(at(coneX0!, i), at(coneU0!, i)) + Math.max(at(coneX1!, i), at(coneU1!, i));
      rows.fill(cone, lines + 3 * i, lines + 3 * i + 3);
    }
    for (let i = 0; i < rows.length; i++) this.h[i]! /= rows[i] = balanceBy(rows[i]!);
    for (let j = 0; j < columns.length; j++) {
      columns[j] = balanceBy(columns[j]!);
      this.#scale[j]! *= columns[j]!;
      this.c[j]! /= columns[j]!;
    }
    for (let i = 0; i < n; i++) {
      const [t, x, u] = [columns[0]!, columns[1 + i]!, columns[1 + n + i]!];
      const cone = rows[lines + 3 * i]!;
      const by = [rows[i]! * t, rows[i]! * u, rows[n + i]! * x, rows[2 * n + i]! * x, rows[3 * n]! * x];
      by.push(cone * x, cone * x, cone * u, cone * u);
      for (const [entry, divisor] of by.entries()) g[entries * i + entry]! /= divisor;
    }
  }

  times(v: Float64Array, out: Float64Array): void {
    const { cones: n, lines } = this;
    const g = this.#g;
    let sum = 0;
    for (let i = 0, e = 0; i < n; i++, e += entries) {
      const [x, u, row] = [v[1 + i]!, v[1 + n + i]!, lines + 3 * i];
      out[i] = g[e + ratioT!]! * v[0]! + g[e + ratioU!]! * u;
      out[n + i] = g[e + lowX!]! * x;
      out[2 * n + i] = g[e + highX!]! * x;
      sum += g[e + sumX!]! * x;
      out[row] = g[e + coneX0!]! * x + g[e + coneU0!]! * u;
      out[row + 1] = g[e + coneX1!]! * x + g[e + coneU1!]! * u;
      out[row + 2] = 0;
    }
    out[3 * n] = sum;
  }

  transposed(z: Float64Array, out: Float64Array): void {
    const { cones: n, lines } = this;
    const g = this.#g;
    let t = 0;
    for (let i = 0, e = 0; i < n; i++, e += entries) {
      const [z0, z1] = [z[lines + 3 * i]!, z[lines + 3 * i + 1]!];
      t += g[e + ratioT!]! * z[i]!;
      const lines3 = g[e + lowX!]! * z[n + i]! + g[e + highX!]! * z[2 * n + i]! + g[e + sumX!]! * z[3 * n]!;
      out[1 + i] = lines3 + g[e + coneX0!]! * z0 + g[e + coneX1!]! * z1;
      out[1 + n + i] = g[e + ratioU!]! * z[i]! + g[e + coneU0!]! * z0 + g[e + coneU1!]! * z1;
    }
    out[0] = t;
  }

  /**
   * Each job's GᵀV⁻¹G is a sum of weighted squares of rows; determinants are sums of squares too, over pairs of rows, so that nothing is
   * lost where weights are far apart.
   */
  factorise(inverse: Float64Array, scaling: ConeScaling, regular: number): void {
    const { cones: n, lines } = this;
    const { axis } = scaling;
    const g = this.#g;
    [this.#inverse, this.#scaling] = [inverse, scaling];
    [this.#tt, this.#ts, this.#ss] = [regular, 0, -1 / inverse[3 * n]!];
    const [ofX, ofU, weight] = [new Float64Array(5), new Float64Array(5), new Float64Array(5)];
    [ofX[0], ofU[1], weight[1]] = [1, 1, regular];
    for (let i = 0, e = 0; i < n; i++, e += entries) {
      const [x0, x1, u0, u1] = [g[e + coneX0!]!, g[e + coneX1!]!, g[e + coneU0!]!, g[e + coneU1!]!];
      const [along, across] = [axis[2 * i]!, axis[2 * i + 1]!];
      const row = lines + 3 * i;
      weight[0] = regular + g[e + lowX!]! ** 2 * inverse[n + i]! + g[e + highX!]! ** 2 * inverse[2 * n + i]!;
      [ofX[2], ofU[2], weight[2]] = [x0 + along * x1, u0 + along * u1, inverse[row]! / 2];
      [ofX[3], ofU[3], weight[3]] = [x0 - along * x1, u0 - along * u1, inverse[row + 1]! / 2];
      [ofX[4], ofU[4], weight[4]] = [across * x1, across * u1, inverse[row + 2]!];
      let [xx, xu, uu, rest] = [0, 0, 0, 0];
      for (let p = 0; p < 5; p++) {
        const w = weight[p]!;
        xx += w * ofX[p]! * ofX[p]!;
        xu += w * ofX[p]! * ofU[p]!;
        uu += w * ofU[p]! * ofU[p]!;
        for (let q = 0; q < p; q++) rest += w * weight[q]! * (ofX[p]! * ofU[q]! - ofU[p]! * ofX[q]!) ** 2;
      }
      const [t, u, sum, own] = [g[e + ratioT!]!, g[e + ratioU!]!, g[e + sumX!]!, inverse[i]!];
      const ratio = u * u * own;
      const determinant = rest + ratio * xx;
      this.#blocks[3 * i] = (uu + ratio) / determinant;
      this.#blocks[3 * i + 1] = -xu / determinant;
      this.#blocks[3 * i + 2] = xx / determinant;
      this.#byT[i] = t * u * own;
      this.#tt += (t * t * own * rest) / determinant;
      this.#ts += (this.#byT[i]! * xu * sum) / determinant;
      this.#ss -= (sum * sum * (uu + ratio)) / determinant;
    }
  }

  solve(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): void {
    const { cones: n } = this;
    const g = this.#g;
    const [scaling, blocks, byT, q, p] = [this.#scaling!, this.#blocks, this.#byT, this.#q, this.#p];
    scaling.apply(this.#inverse, b, q);
    q[3 * n] = 0;
    this.transposed(q, p);
    for (let j = 0; j < p.length; j++) p[j]! += a[j]!;
    let [rt, rs] = [p[0]!, b[3 * n]!];
    for (let i = 0; i < n; i++) {
      const [px, pu, xu] = [p[1 + i]!, p[1 + n + i]!, blocks[3 * i + 1]!];
      x[1 + i] = blocks[3 * i]! * px + xu * pu;
      x[1 + n + i] = xu * px + blocks[3 * i + 2]! * pu;
      rt -= byT[i]! * x[1 + n + i]!;
      rs -= g[entries * i + sumX!]! * x[1 + i]!;
    }
    const determinant = this.#tt * this.#ss - this.#ts * this.#ts;
    const t = (this.#ss * rt - this.#ts * rs) / determinant;
    const sum = (this.#tt * rs - this.#ts * rt) / determinant;
    x[0] = t;
    for (let i = 0; i < n; i++) {
      const [bySum, ofT, xu] = [g[entries * i + sumX!]! * sum, byT[i]! * t, blocks[3 * i + 1]!];
      x[1 + i]! -= blocks[3 * i]! * bySum + xu * ofT;
      x[1 + n + i]! -= xu * bySum + blocks[3 * i + 2]! * ofT;
    }
    this.times(x, q);
    for (let i = 0; i < q.length; i++) q[i]! -= b[i]!;
    scaling.apply(this.#inverse, q, z);
    z[3 * n] = sum;
  }
}
