/**
 * The algebra in which substitutions are found and proved: matrices, and graphs of operators over them.
 *
 * A graph has variables, steps, and outputs. Tensors are numbered: the variables first, then what each step makes (a split
 * makes two). A tensor knows where it was put together along each axis, as in TASO (§3, split trees), so that a split has
 * no parameter: it undoes the last concatenation, whatever elementwise or product has come between.
 */
export type Operator =
  | "matmul"
  | "add"
  | "mul"
  /** Any function of one element: the same one throughout a substitution. */
  | "map"
  | "transpose"
  /** Below one another, and side by side. */
  | "concat0"
  | "concat1"
  | "split0"
  | "split1";

export interface Step {
  readonly op: Operator;
  readonly inputs: readonly number[];
}

export interface Pattern {
  readonly variables: number;
  /** Of the variables, those that were put together along their columns. */
  readonly cut: readonly number[];
  readonly steps: readonly Step[];
  readonly outputs: readonly number[];
}

export interface Substitution {
  readonly source: Pattern;
  readonly target: Pattern;
}

export const arity: { readonly [K in Operator]: 1 | 2 } = {
  matmul: 2,
  add: 2,
  mul: 2,
  map: 1,
  transpose: 1,
  concat0: 2,
  concat1: 2,
  split0: 1,
  split1: 1,
};

export const results = (op: Operator): 1 | 2 => (op === "split0" || op === "split1" ? 2 : 1);

/** For each tensor that a step makes: the step, and which of its results it is. */
export function origins({ variables, steps }: Pick<Pattern, "variables" | "steps">): (
  | {
      readonly step: Step;
      readonly part: 0 | 1;
    }
  | undefined
)[] {
  const made: ({ readonly step: Step; readonly part: 0 | 1 } | undefined)[] = Array.from(
    { length: variables },
    () => undefined,
  );
  for (const step of steps) {
    made.push({ step, part: 0 });
    if (results(step.op) === 2) made.push({ step, part: 1 });
  }
  return made;
}

/** Where a dimension was put together: at `at`, from two that may have been put together themselves. */
export interface Cut {
  readonly at: number;
  readonly low: Cut | undefined;
  readonly high: Cut | undefined;
}

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Residues modulo `prime`, row by row. */
  readonly data: Int32Array;
  readonly cuts: readonly [Cut | undefined, Cut | undefined];
}

/** Products of two residues are exact in a double, and two different polynomials rarely agree. */
export const prime = 65521;

/** `undefined` where the operator does not apply to these shapes. */
export function apply(op: Operator, [a, b]: readonly Matrix[]): readonly Matrix[] | undefined {
  switch (op) {
    case "matmul":
      return a!.columns === b!.rows ? [product(a!, b!)] : undefined;
    case "add":
    case "mul":
      return a!.rows === b!.rows && a!.columns === b!.columns ? [elementwise(op, a!, b!)] : undefined;
    case "map":
      return [{ ...a!, data: a!.data.map(scramble) }];
    case "transpose":
      return [transpose(a!)];
    case "concat1":
      return a!.rows === b!.rows ? [beside(a!, b!)] : undefined;
    case "concat0":
      return a!.columns === b!.columns ? [transpose(beside(transpose(a!), transpose(b!)))] : undefined;
    case "split1":
      return a!.cuts[1] && halves(a!, a!.cuts[1]);
    case "split0":
      return a!.cuts[0] && halves(transpose(a!), a!.cuts[0]).map(transpose);
  }
}

/** All tensors of the graph over these values of its variables; `undefined` where a step does not apply. */
export function evaluate({ steps }: Pick<Pattern, "steps">, variables: readonly Matrix[]): Matrix[] | undefined {
  const tensors = [...variables];
  for (const { op, inputs } of steps) {
    const made = apply(
      op,
      inputs.map((i) => tensors[i]!),
    );
    if (made === undefined) return undefined;
    tensors.push(...made);
  }
  return tensors;
}

function product(a: Matrix, b: Matrix): Matrix {
  const [rows, columns, inner] = [a.rows, b.columns, a.columns];
  const data = new Int32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a.data[i * inner + k]! * b.data[k * columns + j]!;
      data[i * columns + j] = sum % prime;
    }
  }
  return { rows, columns, data, cuts: [a.cuts[0], b.cuts[1]] };
}

function elementwise(op: "add" | "mul", a: Matrix, b: Matrix): Matrix {
  const data = a.data.map(
    (x, i) => (op === "add" ? x + b.data[i]! : x * b.data[i]! - prime * Math.floor((x * b.data[i]!) / prime)) % prime,
  );
  return { ...a, data, cuts: [agreed(a.cuts[0], b.cuts[0]), agreed(a.cuts[1], b.cuts[1])] };
}

/** A function without laws: what holds of it holds of every function of one element. */
function scramble(x: number): number {
  const h = Math.imul(x ^ (x >>> 7) ^ 0x2545f491, 0x9e3779b1);
  return ((h ^ (h >>> 15)) >>> 0) % prime;
}

function transpose({ rows, columns, data, cuts }: Matrix): Matrix {
  const out = new Int32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { rows: columns, columns: rows, data: out, cuts: [cuts[1], cuts[0]] };
}

function beside(a: Matrix, b: Matrix): Matrix {
  const columns = a.columns + b.columns;
  const data = new Int32Array(a.rows * columns);
  for (let i = 0; i < a.rows; i++) {
    data.set(a.data.subarray(i * a.columns, (i + 1) * a.columns), i * columns);
    data.set(b.data.subarray(i * b.columns, (i + 1) * b.columns), i * columns + a.columns);
  }
  const cut = { at: a.columns, low: a.cuts[1], high: b.cuts[1] };
  return { rows: a.rows, columns, data, cuts: [agreed(a.cuts[0], b.cuts[0]), cut] };
}

function halves(x: Matrix, { at, low, high }: Cut): readonly Matrix[] {
  const part = (from: number, to: number, cut: Cut | undefined): Matrix => {
    const data = new Int32Array(x.rows * (to - from));
    for (let i = 0; i < x.rows; i++) {
      data.set(x.data.subarray(i * x.columns + from, i * x.columns + to), i * (to - from));
    }
    return { rows: x.rows, columns: to - from, data, cuts: [x.cuts[0], cut] };
  };
  return [part(0, at, low), part(at, x.columns, high)];
}

function agreed(a: Cut | undefined, b: Cut | undefined): Cut | undefined {
  return JSON.stringify(a) === JSON.stringify(b) ? a : undefined;
}
