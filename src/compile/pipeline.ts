/**
 * The compiler, as a page:
 *
 *     graph ──► passes, in this order, verified after each ──► calls of kernels ──► memory plan, barriers ──► program
 */
import type { Graph } from "../graph/ir.ts";
import { verify } from "../graph/verify.ts";
import type { WeightFormat } from "./layout.ts";
import { lowerGraph } from "./lower.ts";
import { type Program, schedule } from "./schedule.ts";
import type { Target } from "./tile.ts";
import { appendStatistics } from "./transform/append-statistics.ts";
import { fuseGate } from "./transform/fuse-gate.ts";
import { prune } from "./transform/prune.ts";
import { quantizeActivations } from "./transform/quantize-activations.ts";
import type { Pass, PassContext } from "./transform.ts";

export const passes: readonly Pass[] = [appendStatistics, fuseGate, quantizeActivations, prune];

export interface CompileOptions {
  readonly target: Target;
  /** How each matrix of the graph is kept in device memory. */
  readonly formats: ReadonlyMap<string, WeightFormat>;
  /** Most tokens and most output rows of a step. */
  readonly tokensMax: number;
  readonly rowsMax: number;
  /** Called with the graph before the first pass and after each, and what gives the program if that pass were the last. */
  readonly observe?: (pass: string, graph: Graph, program: () => Program) => void;
}

export function runPasses(graph: Graph, context: PassContext, observe?: (pass: string, graph: Graph) => void): Graph {
  verify(graph, "capture");
  observe?.("capture", graph);
  let current = graph;
  for (const pass of passes) {
    current = pass.run(current, context);
    verify(current, pass.name);
    observe?.(pass.name, current);
  }
  return current;
}

export function compile(graph: Graph, options: CompileOptions): Program {
  const program = (of: Graph): Program => schedule(lowerGraph(of, options), options);
  const { observe } = options;
  return program(runPasses(graph, options, observe && ((pass, after) => observe(pass, after, () => program(after)))));
}
