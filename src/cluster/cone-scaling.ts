/**
 * Nesterov and Todd's scaling of a cone: lines (a number that is not negative), then second-order cones of three, v₀ ≥ ‖(v₁, v₂)‖.
 *
 * For s and z inside, W is the symmetric map with Wz = W⁻¹s = λ. It is kept by its eigenvalues, so that functions of W² lose no digit
 * where one direction is a million times as long as another. (Vandenberghe: The CVXOPT linear and quadratic cone program solvers, 2010.)
 */
export class ConeScaling {
  readonly lines: number;
  readonly cones: number;
  /** Rows: lines, then three of each cone. */
  readonly rows: number;
  /** Eigenvalues of W: of each line; of each cone along (1, u), along (1, −u), and across. */
  readonly eigen: Float64Array;
  /** u, a unit vector, two numbers of each cone. */
  readonly axis: Float64Array;
  readonly lambda: Float64Array;

  constructor(lines: number, cones: number) {
    this.lines = lines;
    this.cones = cones;
    this.rows = lines + 3 * cones;
    this.eigen = new Float64Array(this.rows).fill(1);
    this.axis = new Float64Array(2 * cones);
    for (let k = 0; k < cones; k++) this.axis[2 * k] = 1;
    this.lambda = new Float64Array(this.rows);
  }

  /** False where s or z is not inside. */
  update(s: Float64Array, z: Float64Array): boolean {
    const { lines, rows, eigen, axis } = this;
    for (let i = 0; i < lines; i++) {
      if (!(s[i]! > 0 && z[i]! > 0)) return false;
      eigen[i] = Math.sqrt(s[i]! / z[i]!);
    }
    for (let i = lines, k = 0; i < rows; i += 3, k += 2) {
      const [ofS, ofZ] = [Math.sqrt(lorentz(s, i)), Math.sqrt(lorentz(z, i))];
      if (!(ofS > 0 && ofZ > 0 && s[i]! > 0 && z[i]! > 0)) return false;
      const middle = (s[i]! * z[i]! + s[i + 1]! * z[i + 1]! + s[i + 2]! * z[i + 2]!) / ofS / ofZ;
      const twice = 2 * Math.sqrt((1 + middle) / 2);
      const w0 = (s[i]! / ofS + z[i]! / ofZ) / twice;
      const w1 = (s[i + 1]! / ofS - z[i + 1]! / ofZ) / twice;
      const w2 = (s[i + 2]! / ofS - z[i + 2]! / ofZ) / twice;
      const length = norm(w1, w2);
      axis[k] = length > 0 ? w1 / length : 1;
      axis[k + 1] = length > 0 ? w2 / length : 0;
      const eta = Math.sqrt(ofS / ofZ);
      eigen[i] = eta * (w0 + length);
      eigen[i + 1] = eta / (w0 + length);
      eigen[i + 2] = eta;
    }
    this.apply(eigen, z, this.lambda);
    return true;
  }

  /** The map with these eigenvalues and W's directions. `out` may be `v`. */
  apply(eigen: Float64Array, v: Float64Array, out: Float64Array): void {
    const { lines, rows, axis } = this;
    for (let i = 0; i < lines; i++) out[i] = eigen[i]! * v[i]!;
    for (let i = lines, k = 0; i < rows; i += 3, k += 2) {
      const [u1, u2, v0, v1, v2] = [axis[k]!, axis[k + 1]!, v[i]!, v[i + 1]!, v[i + 2]!];
      const along = u1 * v1 + u2 * v2;
      const plus = (eigen[i]! * (v0 + along)) / 2;
      const minus = (eigen[i + 1]! * (v0 - along)) / 2;
      const across = eigen[i + 2]! * (u1 * v2 - u2 * v1);
      out[i] = plus + minus;
      out[i + 1] = (plus - minus) * u1 - across * u2;
      out[i + 2] = (plus - minus) * u2 + across * u1;
    }
  }

  /** How much of a step, scaled by W, goes from λ to the wall: its reciprocal, at least `most`. */
  reciprocalReach(step: Float64Array, most: number): number {
    const { lines, rows, lambda } = this;
    let worst = most;
    for (let i = 0; i < lines; i++) worst = Math.max(worst, -step[i]! / lambda[i]!);
    for (let i = lines; i < rows; i += 3) {
      const square = lorentz(lambda, i);
      if (square <= 0) continue;
      const root = Math.sqrt(square);
      const [l0, l1, l2] = [lambda[i]! / root, lambda[i + 1]! / root, lambda[i + 2]! / root];
      const inner = l0 * step[i]! - l1 * step[i + 1]! - l2 * step[i + 2]!;
      const f = (inner + step[i]!) / (l0 + 1);
      worst = Math.max(worst, (norm(step[i + 1]! - f * l1, step[i + 2]! - f * l2) - inner) / root);
    }
    return worst;
  }

  /** λ∘λ + a∘b − shift·e, divided by λ, in the algebra of the cone. */
  corrected(a: Float64Array, b: Float64Array, shift: number, out: Float64Array): void {
    const { lines, rows, lambda } = this;
    for (let i = 0; i < lines; i++) out[i] = lambda[i]! + (a[i]! * b[i]! - shift) / lambda[i]!;
    for (let i = lines; i < rows; i += 3) {
      const [l0, l1, l2] = [lambda[i]!, lambda[i + 1]!, lambda[i + 2]!];
      const p0 = l0 * l0 + l1 * l1 + l2 * l2 + a[i]! * b[i]! + a[i + 1]! * b[i + 1]! + a[i + 2]! * b[i + 2]! - shift;
      const p1 = 2 * l0 * l1 + a[i]! * b[i + 1]! + b[i]! * a[i + 1]!;
      const p2 = 2 * l0 * l2 + a[i]! * b[i + 2]! + b[i]! * a[i + 2]!;
      const square = lorentz(lambda, i);
      const inner = l1 * p1 + l2 * p2;
      const f = (inner / l0 - p0) / square;
      out[i] = (l0 * p0 - inner) / square;
      out[i + 1] = f * l1 + p1 / l0;
      out[i + 2] = f * l2 + p2 / l0;
    }
  }

  /** Moves along the unit until it is inside; a little further where it was inside. */
  intoCone(v: Float64Array): void {
    const { lines, rows } = this;
    let shift = -0.99;
    const outside = (least: number): number => (least <= 0 ? Math.max(shift, -least) : shift);
    for (let i = 0; i < lines; i++) shift = outside(v[i]!);
    for (let i = lines; i < rows; i += 3) shift = outside(v[i]! - norm(v[i + 1]!, v[i + 2]!));
    for (let i = 0; i < rows; i += i < lines ? 1 : 3) v[i]! += shift + 1;
  }
}

const norm = (a: number, b: number): number => Math.sqrt(a * a + b * b);

const lorentz = (v: Float64Array, i: number): number => {
  const tail = norm(v[i + 1]!, v[i + 2]!);
  return (v[i]! - tail) * (v[i]! + tail);
};
