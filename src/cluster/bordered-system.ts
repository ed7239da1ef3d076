/**
 * The linear equations of an interior-point method: Gᵀz = a and Gx − Wz = b, again and again with other weights W.
 *
 * Programs that share something out are many small blocks that hang together by a few long rows (a type's GPUs) and a few variables
 * that stand in many rows (the least throughput). Those make a border; the blocks are factorised by themselves. So the time is linear
 * in the number of blocks, and equal blocks come out equal to the last bit, which decides ties.
 *
 *     │ blocks    C │ │ u │   │ r │      u: variables of a block, then duals of its rows of two terms and more
 *     │   Cᵀ      S │ │ v │ = │ q │      v: variables of the border, then duals of long rows; b of them
 *
 * O(Σ blocks (k³ + k²b + kb²) + b³), k the unknowns of a block.
 */
import type { Term } from "./linear-program.ts";

/** Rows with more variables are long, and variables in more than twice as many rows stand in the border. */
const blockMost = 8;
/** Added to every pivot of a block, with its sign: a free variable has none of its own. Refinement takes the error out again. */
const regular = 7e-8;

/** An unknown: the variable or the dual with that index. */
interface Unknown {
  readonly kind: "x" | "z";
  readonly index: number;
}

interface Block {
  /** Where its unknowns begin among those of all blocks. */
  readonly first: number;
  readonly unknowns: readonly Unknown[];
  /** L below the diagonal and D on it, [k, k] by rows. */
  readonly factor: Float64Array;
  /** L⁻¹C, [k, b] by rows. */
  readonly coupling: Float64Array;
  /** Row, column and value of what does not depend on the weights: coefficients, by dual and variable. */
  readonly fixed: readonly (readonly [dual: number, variable: number, coefficient: number])[];
  readonly fixedCoupling: readonly (readonly [unknown: number, border: number, coefficient: number])[];
}

export class BorderedSystem {
  readonly #rows: readonly (readonly Term[])[];
  /** Rows of one term, whose duals follow from their variable. */
  readonly #bounds: readonly number[];
  readonly #blocks: readonly Block[];
  readonly #border: readonly Unknown[];
  readonly #borderFixed: readonly (readonly [number, number, number])[];
  readonly #variables: number;
  #weights: Float64Array = new Float64Array();
  #schur: Float64Array;
  /** Of all blocks, while equations are solved. */
  readonly #u: Float64Array;

  constructor(rows: readonly (readonly Term[])[], variables: number) {
    this.#rows = rows;
    this.#variables = variables;
    this.#bounds = rows.flatMap((row, i) => (row.length === 1 ? [i] : []));
    const parts = partition(rows, variables);
    this.#border = parts.border;
    const b = parts.border.length;
    this.#schur = new Float64Array(b * b);
    const place = new Map<string, readonly [block: number, at: number]>();
    for (const [at, unknown] of parts.border.entries()) place.set(keyOf(unknown), [-1, at]);
    for (const [block, unknowns] of parts.blocks.entries()) {
      for (const [at, unknown] of unknowns.entries()) place.set(keyOf(unknown), [block, at]);
    }
    const fixed: [number, number, number][][] = parts.blocks.map(() => []);
    const couplings: [number, number, number][][] = parts.blocks.map(() => []);
    const border: [number, number, number][] = [];
    for (const [i, row] of rows.entries()) {
      if (row.length === 1) continue;
      const [dualBlock, dual] = place.get(`z${i}`)!;
      for (const [j, a] of row) {
        const [block, variable] = place.get(`x${j}`)!;
        if (block < 0 && dualBlock < 0) border.push([dual, variable, a]);
        else if (block < 0) couplings[dualBlock]!.push([dual, variable, a]);
        else if (dualBlock < 0) couplings[block]!.push([variable, dual, a]);
        else fixed[block]!.push([dual, variable, a]);
      }
    }
    this.#borderFixed = border;
    let inner = 0;
    this.#blocks = parts.blocks.map((unknowns, block) => ({
      first: (inner += unknowns.length) - unknowns.length,
      unknowns,
      factor: new Float64Array(unknowns.length ** 2),
      coupling: new Float64Array(unknowns.length * b),
      fixed: fixed[block]!,
      fixedCoupling: couplings[block]!,
    }));
    this.#u = new Float64Array(inner);
  }

  /** `own` stands on the diagonal of the variables, where the caller's equations have something there: nothing is added then. */
  factorise(weights: Float64Array, own?: Float64Array): void {
    this.#weights = weights;
    const b = this.#border.length;
    const added = own === undefined ? regular : 0;
    const diagonal = own?.slice() ?? new Float64Array(this.#variables);
    for (const i of this.#bounds) {
      const [j, a] = this.#rows[i]![0]!;
      diagonal[j]! += (a * a) / weights[i]!;
    }
    const pivot = ({ kind, index }: Unknown): number => (kind === "x" ? diagonal[index]! : -weights[index]!);
    const s = this.#schur.fill(0);
    for (const [at, unknown] of this.#border.entries()) s[at * b + at] = pivot(unknown);
    for (const [dual, variable, a] of this.#borderFixed) {
      s[dual * b + variable]! += a;
      s[variable * b + dual]! += a;
    }
    for (const block of this.#blocks) {
      const k = block.unknowns.length;
      block.factor.fill(0);
      block.coupling.fill(0);
      for (const [at, unknown] of block.unknowns.entries()) {
        block.factor[at * k + at] = pivot(unknown) + (unknown.kind === "x" ? added : -added);
      }
      for (const [dual, variable, a] of block.fixed) block.factor[dual * k + variable] = a;
      for (const [at, border, a] of block.fixedCoupling) block.coupling[at * b + border]! += a;
      this.#eliminate(block);
    }
  }

  /** LDLᵀ of the block, and what is left of the border without it. */
  #eliminate({ unknowns: { length: k }, factor, coupling }: Block): void {
    const b = this.#border.length;
    for (let j = 0; j < k; j++) {
      for (let c = 0; c <= j; c++) {
        let sum = factor[j * k + c]!;
        for (let l = 0; l < c; l++) sum -= factor[j * k + l]! * factor[c * k + l]! * factor[l * k + l]!;
        factor[j * k + c] = c < j ? sum / factor[c * k + c]! : sum;
      }
    }
    for (let j = 0; j < k; j++) {
      for (let l = 0; l < j; l++) {
        const f = factor[j * k + l]!;
        if (f !== 0) for (let c = 0; c < b; c++) coupling[j * b + c]! -= f * coupling[l * b + c]!;
      }
    }
    for (let j = 0; j < k; j++) {
      for (let c = 0; c < b; c++) {
        const y = coupling[j * b + c]! / factor[j * k + j]!;
        if (y !== 0) for (let d = 0; d < b; d++) this.#schur[c * b + d]! -= y * coupling[j * b + d]!;
      }
    }
  }

  /** Without what is added to pivots, and again with what rounding leaves over. Nothing is on the diagonal of the variables. */
  solve(a: Float64Array, b: Float64Array): { x: Float64Array; z: Float64Array } {
    const x = new Float64Array(this.#variables);
    const z = new Float64Array(this.#rows.length);
    const [dx, dz] = [x.slice(), z.slice()];
    let [ra, rb] = [a, b];
    for (let pass = 0, worst = Number.POSITIVE_INFINITY; pass < 9; pass++) {
      this.solveOnce(ra, rb, dx, dz);
      for (let j = 0; j < x.length; j++) x[j]! += dx[j]!;
      for (let i = 0; i < z.length; i++) z[i]! += dz[i]!;
      [ra, rb] = this.#residual(a, b, x, z);
      const left = Math.max(largest(ra), largest(rb));
      if (left < 1e-13 || left > worst / 2) break;
      worst = left;
    }
    return { x, z };
  }

  #residual(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): [Float64Array, Float64Array] {
    const ra = a.slice();
    const rb = b.slice();
    for (const [i, row] of this.#rows.entries()) {
      let sum = 0;
      for (const [j, g] of row) {
        ra[j]! -= g * z[i]!;
        sum += g * x[j]!;
      }
      rb[i]! += this.#weights[i]! * z[i]! - sum;
    }
    return [ra, rb];
  }

  /** What was factorised, once: x and z are off by rounding. */
  solveOnce(a: Float64Array, b: Float64Array, x: Float64Array, z: Float64Array): void {
    const r = a.slice();
    for (const i of this.#bounds) {
      const [j, g] = this.#rows[i]![0]!;
      r[j]! += (g * b[i]!) / this.#weights[i]!;
    }
    const given = ({ kind, index }: Unknown): number => (kind === "x" ? r[index]! : b[index]!);
    const v = Float64Array.from(this.#border, given);
    for (const block of this.#blocks) this.#forward(block, r, b, v);
    eliminated(this.#schur.slice(), v);
    for (const block of this.#blocks) this.#backward(block, v, x, z);
    for (const [at, { kind, index }] of this.#border.entries()) (kind === "x" ? x : z)[index] = v[at]!;
    for (const i of this.#bounds) {
      const [j, g] = this.#rows[i]![0]!;
      z[i] = (g * x[j]! - b[i]!) / this.#weights[i]!;
    }
  }

  /** u = D⁻¹L⁻¹r, and its part of the border's right side. */
  #forward({ first, unknowns, factor, coupling }: Block, r: Float64Array, b: Float64Array, v: Float64Array): void {
    const [u, k, n] = [this.#u, unknowns.length, v.length];
    for (let j = 0; j < k; j++) {
      const { kind, index } = unknowns[j]!;
      let sum = kind === "x" ? r[index]! : b[index]!;
      for (let l = 0; l < j; l++) sum -= factor[j * k + l]! * u[first + l]!;
      u[first + j] = sum;
    }
    for (let j = 0; j < k; j++) {
      const value = u[first + j]! / factor[j * k + j]!;
      u[first + j] = value;
      for (let c = 0; c < n; c++) v[c]! -= coupling[j * n + c]! * value;
    }
  }

  #backward({ first, unknowns, factor, coupling }: Block, v: Float64Array, x: Float64Array, z: Float64Array): void {
    const [u, k, n] = [this.#u, unknowns.length, v.length];
    for (let j = k - 1; j >= 0; j--) {
      let back = 0;
      for (let c = 0; c < n; c++) back += coupling[j * n + c]! * v[c]!;
      let value = u[first + j]! - back / factor[j * k + j]!;
      for (let l = j + 1; l < k; l++) value -= factor[l * k + j]! * u[first + l]!;
      u[first + j] = value;
      const { kind, index } = unknowns[j]!;
      if (kind === "x") x[index] = value;
      else z[index] = value;
    }
  }
}

const keyOf = ({ kind, index }: Unknown): string => `${kind}${index}`;

/** Variables that short rows connect make a block; all that is long makes the border. */
function partition(
  rows: readonly (readonly Term[])[],
  variables: number,
): { readonly border: Unknown[]; readonly blocks: Unknown[][] } {
  const degree = new Int32Array(variables);
  for (const row of rows) if (row.length <= blockMost) for (const [j] of row) degree[j]!++;
  const wide = Uint8Array.from(degree, (n) => (n > 2 * blockMost ? 1 : 0));
  const parent = Int32Array.from(degree, (_, j) => j);
  const root = (j: number): number => {
    let at = j;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]!]!;
    return at;
  };
  const border: Unknown[] = [...degree.keys()].filter((j) => wide[j]).map((index) => ({ kind: "x", index }));
  const inner = rows.map((row) => row.map(([j]) => j).filter((j) => !wide[j]));
  const long = (i: number): boolean => rows[i]!.length > blockMost || inner[i]!.length === 0;
  for (const [i, [first, ...rest]] of inner.entries()) {
    if (!long(i)) for (const j of rest) parent[root(j)] = root(first!);
  }
  const blocks = new Map<number, Unknown[]>();
  for (let j = 0; j < variables; j++) {
    if (wide[j]) continue;
    const at = root(j);
    blocks.set(at, [...(blocks.get(at) ?? []), { kind: "x", index: j }]);
  }
  for (const [i, row] of rows.entries()) {
    if (row.length === 1) continue;
    if (long(i)) border.push({ kind: "z", index: i });
    else blocks.get(root(inner[i]![0]!))!.push({ kind: "z", index: i });
  }
  return { border, blocks: [...blocks.values()] };
}

/** Solves A v = v in place, by elimination with row pivots: the border is neither definite nor long. */
function eliminated(a: Float64Array, v: Float64Array): void {
  const n = v.length;
  for (let j = 0; j < n; j++) {
    let pivot = j;
    for (let i = j + 1; i < n; i++) if (Math.abs(a[i * n + j]!) > Math.abs(a[pivot * n + j]!)) pivot = i;
    if (pivot !== j) {
      for (let c = 0; c < n; c++) [a[j * n + c], a[pivot * n + c]] = [a[pivot * n + c]!, a[j * n + c]!];
      [v[j], v[pivot]] = [v[pivot]!, v[j]!];
    }
    for (let i = j + 1; i < n; i++) {
      const f = a[i * n + j]! / a[j * n + j]!;
      if (f === 0) continue;
      for (let c = j; c < n; c++) a[i * n + c]! -= f * a[j * n + c]!;
      v[i]! -= f * v[j]!;
    }
  }
  for (let j = n - 1; j >= 0; j--) {
    for (let c = j + 1; c < n; c++) v[j]! -= a[j * n + c]! * v[c]!;
    v[j]! /= a[j * n + j]!;
  }
}

const largest = (a: Float64Array): number => a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
