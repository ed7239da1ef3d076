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
}

export interface Row {
  readonly terms: readonly Term[];
  readonly min: number;
  readonly max: number;
}

export class LinearProgram {
  readonly sense: "maximise" | "minimise";
  readonly costs: number[] = [];
  readonly mins: number[] = [];
  readonly maxs: number[] = [];
  readonly integers = new Set<Variable>();
  readonly rows: Row[] = [];

  constructor(sense: "maximise" | "minimise") {
    this.sense = sense;
  }

  get variables(): number {
    return this.costs.length;
  }

  variable({ cost = 0, min = 0, max = Number.POSITIVE_INFINITY, integer = false }: VariableSpec = {}): Variable {
    assert(Number.isFinite(cost) && min <= max, () => `a variable of cost ${cost} between ${min} and ${max}`);
    const index = this.costs.length;
    this.costs.push(cost);
    this.mins.push(min);
    this.maxs.push(max);
    if (integer) this.integers.add(index);
    return index;
  }

  /** The sum of `terms` is at most `bound`. */
  atMost(bound: number, terms: readonly Term[]): void {
    this.#row(terms, Number.NEGATIVE_INFINITY, bound);
  }

  /** The sum of `terms` is at least `bound`. */
  atLeast(bound: number, terms: readonly Term[]): void {
    this.#row(terms, bound, Number.POSITIVE_INFINITY);
  }

  /** The sum of `terms` is `value`. */
  equal(value: number, terms: readonly Term[]): void {
    this.#row(terms, value, value);
  }

  #row(terms: readonly Term[], min: number, max: number): void {
    for (const [variable, coefficient] of terms) {
      assert(
        variable < this.costs.length && Number.isFinite(coefficient),
        () => `a row with ${coefficient} times variable ${variable} of ${this.costs.length}`,
      );
    }
    this.rows.push({ terms, min, max });
  }
}
