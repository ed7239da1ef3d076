/**
 * Which column for each row, so that the sum of the costs is least (Kuhn and Munkres; shortest augmenting paths as in Jonker and
 * Volgenant, Computing 38, 1987). O(rows² · columns).
 *
 * Among columns at the same distance a free one ends the path, else the last found stays, and columns are looked at from the last to
 * the first: so equal costs give row i column i, as in the solver of the published runs of AlloX (SciPy's).
 */
import { assert } from "../core/errors.ts";

/** `cost(row, column)` is finite; there are at least as many columns as rows. Returns the column of each row. */
export function assignment(rows: number, columns: number, cost: (row: number, column: number) => number): Int32Array {
  assert(rows <= columns, () => `an assignment of ${rows} rows to ${columns} columns`);
  const state = new Matching(rows, columns, cost);
  for (let row = 0; row < rows; row++) state.augment(row);
  return state.columnOf;
}

class Matching {
  readonly columnOf: Int32Array;
  readonly #rowOf: Int32Array;
  readonly #cost: (row: number, column: number) => number;
  /** Duals of rows and columns: no reduced cost is negative, and those of matched pairs are 0. */
  readonly #u: Float64Array;
  readonly #v: Float64Array;
  readonly #distance: Float64Array;
  readonly #from: Int32Array;
  readonly #open: Int32Array;

  constructor(rows: number, columns: number, cost: (row: number, column: number) => number) {
    this.columnOf = new Int32Array(rows).fill(-1);
    this.#rowOf = new Int32Array(columns).fill(-1);
    this.#cost = cost;
    this.#u = new Float64Array(rows);
    this.#v = new Float64Array(columns);
    this.#distance = new Float64Array(columns);
    this.#from = new Int32Array(columns);
    this.#open = new Int32Array(columns);
  }

  /** Finds the shortest way from the row to a free column over matched pairs, and swaps the pairs along it. */
  augment(start: number): void {
    const columns = this.#rowOf.length;
    this.#distance.fill(Number.POSITIVE_INFINITY);
    for (let at = 0; at < columns; at++) this.#open[at] = columns - at - 1;
    const closed: number[] = [];
    let [row, reached, sink] = [start, 0, -1];
    for (let left = columns; sink < 0; ) {
      const at = this.#nearest(row, reached, left);
      const column = this.#open[at]!;
      reached = this.#distance[column]!;
      if (this.#rowOf[column]! < 0) sink = column;
      else row = this.#rowOf[column]!;
      closed.push(column);
      this.#open[at] = this.#open[--left]!;
    }
    this.#reprice(start, closed, reached);
    for (let column = sink; ; ) {
      const through = this.#from[column]!;
      this.#rowOf[column] = through;
      [this.columnOf[through], column] = [column, this.columnOf[through]!];
      if (through === start) return;
    }
  }

  /** Extends paths by the row, and returns the place of the open column that is nearest. */
  #nearest(row: number, reached: number, left: number): number {
    let [best, lowest] = [-1, Number.POSITIVE_INFINITY];
    for (let at = 0; at < left; at++) {
      const column = this.#open[at]!;
      const distance = reached + this.#cost(row, column) - this.#u[row]! - this.#v[column]!;
      if (distance < this.#distance[column]!) {
        this.#distance[column] = distance;
        this.#from[column] = row;
      }
      const shortest = this.#distance[column]!;
      if (shortest > lowest || (shortest === lowest && this.#rowOf[column]! >= 0)) continue;
      [best, lowest] = [at, shortest];
    }
    return best;
  }

  #reprice(start: number, closed: readonly number[], reached: number): void {
    this.#u[start]! += reached;
    for (const column of closed) {
      const row = this.#rowOf[column]!;
      if (row >= 0) this.#u[row]! += reached - this.#distance[column]!;
      this.#v[column]! -= reached - this.#distance[column]!;
    }
  }
}
