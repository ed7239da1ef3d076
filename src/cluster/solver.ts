/**
 * Linear and mixed-integer programs, solved by HiGHS compiled to WebAssembly.
 *
 * Policies are synchronous, and WebAssembly is compiled asynchronously: an entry that solves has `prepare: loadSolver`, so that the
 * solver is there before a policy is created. A solution depends on nothing but the program and the limits given,
 * which count nodes of the search and not seconds: the same views give the same decision on a machine that is twice as slow.
 */
import type { ModelData } from "highs";
import { assert } from "../core/errors.ts";
import type { LinearProgram, Variable } from "./linear-program.ts";

export interface SolverLimits {
  /** Stops when the best solution is proved to be this near to the optimum, relatively. 0.0001 where it is absent. */
  readonly gap?: number;
  /** Nodes of the branch-and-bound tree; none where it is absent. */
  readonly nodes?: number;
  /** Pivots of the simplex method in whole, sub-problems of the search included; none where it is absent. */
  readonly pivots?: number;
}

export interface Solution {
  readonly objective: number;
  /** By index of the variable. */
  readonly values: Float64Array;
  /** False where a limit stopped the search: the best solution found. */
  readonly proved: boolean;
}

type LoadHighs = typeof import("highs")["default"];
type Exported = LoadHighs & { readonly default?: LoadHighs };
type Highs = Awaited<ReturnType<LoadHighs>>;

interface Solver {
  readonly highs: Highs;
  /** Cleared before each use: a new one each time costs six times as much as solving a small program. */
  readonly model: ReturnType<Highs["createModel"]>;
}

const loaded: { solver?: Promise<Solver>; now?: Solver } = {};

/** Compiles HiGHS, once. */
export async function loadSolver(): Promise<void> {
  loaded.solver ??= load();
  loaded.now = await loaded.solver;
}

async function load(): Promise<Solver> {
  // The package's CommonJS file, which a bundle takes, has the loader one level deeper than its ES module has it.
  const { default: exported } = (await import("highs")) as unknown as Readonly<Record<"default", Exported>>;
  const highs = await (exported.default ?? exported)();
  return { highs, model: highs.createModel() };
}

/**
 * `undefined` where nothing satisfies the rows, or where a limit was reached before anything was found that does.
 *
 * Throws where the objective is unbounded: no policy means that.
 */
export function solve(program: LinearProgram, { gap, nodes, pivots }: SolverLimits = {}): Solution | undefined {
  assert(loaded.now !== undefined, () => "a program was to be solved before loadSolver()");
  const { highs, model } = loaded.now;
  const { modelStatus, solutionStatus } = highs.constants;
  model.clear();
  model.passModel(data(highs, program));
  model.options.set({
    output_flag: false,
    ...(gap === undefined ? {} : { mip_rel_gap: gap }),
    ...(nodes === undefined ? {} : { mip_max_nodes: nodes }),
    ...(pivots === undefined ? {} : { simplex_iteration_limit: pivots }),
  });
  model.run();
  if (model.getModelStatus() === modelStatus.unboundedOrInfeasible) {
    // What reduces the program cannot tell which; the simplex method can.
    model.options.set("presolve", "off");
    model.run();
  }
  const status = model.getModelStatus();
  assert(status !== modelStatus.unbounded, () => "a linear program without bound");
  if (status === modelStatus.infeasible || model.info.get("primal_solution_status") !== solutionStatus.feasible) {
    return undefined;
  }
  const values = Float64Array.from(model.getSolution().colValue);
  return { objective: model.getObjectiveValue(), values, proved: status === modelStatus.optimal };
}

/** By columns, as HiGHS keeps it. */
function data({ infinity, constants }: Highs, program: LinearProgram): ModelData {
  const { objectiveSense, variableType } = constants;
  const bound = (value: number): number => (Number.isFinite(value) ? value : value > 0 ? infinity : -infinity);
  const domain = (j: Variable): 0 | 1 => (program.integers.has(j) ? variableType.integer : variableType.continuous);
  const { rows, variables: numCols, integers } = program;
  const starts = new Int32Array(numCols + 1);
  for (const { terms } of rows) for (const [variable] of terms) starts[variable + 1]!++;
  for (let j = 0; j < numCols; j++) starts[j + 1]! += starts[j]!;
  const next = starts.slice();
  const indices = new Int32Array(starts[numCols]!);
  const values = new Float64Array(starts[numCols]!);
  for (const [i, row] of rows.entries()) {
    for (const [variable, coefficient] of row.terms) {
      const at = next[variable]!++;
      indices[at] = i;
      values[at] = coefficient * program.inRow(variable, row);
    }
  }
  return {
    numCols,
    numRows: rows.length,
    sense: program.sense === "maximise" ? objectiveSense.maximize : objectiveSense.minimize,
    colCost: program.costs.map((cost, j) => cost * program.copies[j]!),
    colLower: program.mins.map(bound),
    colUpper: program.maxs.map(bound),
    rowLower: rows.map(({ min }) => bound(min)),
    rowUpper: rows.map(({ max }) => bound(max)),
    matrix: { format: "csc", numRows: rows.length, numCols, starts, indices, values },
    ...(integers.size === 0 ? {} : { integrality: program.costs.map((_, j) => domain(j)) }),
  };
}
