/** A linear program, mixed-integer where a variable says so: built term by term by policies, and solved by `solver.ts` or `central-path.ts`. */
import { assert } from "../core/errors.ts";

/** Index of a variable of one program. */
export type Variable = number;
export type Term = readonly [variable: Variable, coefficient: number];

export interface VariableSpec {
  /** Coefficient in the objective; 0 where it is absent. */
  readonly cost?: number;
  /** 0 where it is absent. */
  readonly min?: number;
  /** None where it is absent. */
  readonly max?: number;
  readonly integer?: boolean;
  /** It stands for so many variables that are alike in everything, and are to have equal values; 1 where it is absent. */
  readonly copies?: number;
}

export interface Row {
  readonly terms: readonly Term[];
  readonly min: number;
  readonly max: number;
  /** It stands for so many rows, each with one of the copies of its variables that have as many. */
  readonly copies: number;
}

/**
 * A symmetric program is written once for each class of what is alike: with `copies`, coefficients and costs are still those of one
 * variable in one row. Averaging over a class keeps a solution feasible and its objective, so that the optimum is that of the whole.
 */
export class LinearProgram {
  readonly sense: "maximise" | "minimise";
  readonly costs: number[] = [];
  readonly mins: number[] = [];
  readonly maxs: number[] = [];
  readonly copies: number[] = [];
  readonly integers = new Set<Variable>();
  readonly rows: Row[] = [];

  constructor(sense: "maximise" | "minimise") {
    this.sense = sense;
  }

  get variables(): number {
    return this.costs.length;
  }

  variable({
    cost = 0,
    min = 0,
    max = Number.POSITIVE_INFINITY,
    integer = false,
    copies = 1,
  }: VariableSpec = {}): Variable {
    assert(Number.isFinite(cost) && min <= max, () => `a variable of cost ${cost} between ${min} and ${max}`);
    const index = this.costs.length;
    this.costs.push(cost);
    this.mins.push(min);
    this.maxs.push(max);
    this.copies.push(copies);
    if (integer) this.integers.add(index);
    return index;
  }

  /** The sum of `terms` is at most `bound`. */
  atMost(bound: number, terms: readonly Term[], copies = 1): void {
    this.#row(terms, Number.NEGATIVE_INFINITY, bound, copies);
  }

  /** The sum of `terms` is at least `bound`. */
  atLeast(bound: number, terms: readonly Term[], copies = 1): void {
    this.#row(terms, bound, Number.POSITIVE_INFINITY, copies);
  }

  /** The sum of `terms` is `value`. */
  equal(value: number, terms: readonly Term[], copies = 1): void {
    this.#row(terms, value, value, copies);
  }

  #row(terms: readonly Term[], min: number, max: number, copies: number): void {
    for (const [variable, coefficient] of terms) {
      assert(
        variable < this.costs.length && Number.isFinite(coefficient),
        () => `a row with ${coefficient} times variable ${variable} of ${this.costs.length}`,
      );
      const each = this.copies[variable]!;
      assert(each === copies || each === 1 || copies === 1, () => `${each} variables in each of ${copies} rows`);
    }
    this.rows.push({ terms, min, max, copies });
  }

  /** How many copies of the variable stand in one copy of the row. */
  inRow(variable: Variable, { copies }: Row): number {
    return copies === 1 ? this.copies[variable]! : 1;
  }

  /** How many copies of the row one copy of the variable stands in. */
  ofRow(variable: Variable, { copies }: Row): number {
    return this.copies[variable] === 1 ? copies : 1;
  }
}
