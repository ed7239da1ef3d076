/**
 * The compiler, as a page:
 *
 *     graph ──► passes, in this order, verified after each ──► groups ──► calls of kernels ──► memory plan, barriers ──► program
 */
import type { Graph } from "../graph/ir.ts";
import { verify } from "../graph/verify.ts";
import type { Fusion } from "./fusion.ts";
import { fuse } from "./fusion-groups.ts";
import type { WeightFormat } from "./layout.ts";
import type { CacheType } from "./lower/cache-store.ts";
import { lowerGraph } from "./lower.ts";
import type { LinearSchedule } from "./schedule/linear.ts";
import { type Program, schedule } from "./schedule.ts";
import type { Target } from "./tile.ts";
import { appendStatistics } from "./transform/append-statistics.ts";
import { fuseGate } from "./transform/fuse-gate.ts";
import { prune } from "./transform/prune.ts";
import { quantizeActivations } from "./transform/quantize-activations.ts";
import { storeApart } from "./transform/store-apart.ts";
import type { Pass, PassContext } from "./transform.ts";

export const passes: readonly Pass[] = [appendStatistics, fuseGate, quantizeActivations, prune];

export interface CompileOptions {
  readonly target: Target;
  /** How each matrix of the graph is kept in device memory. */
  readonly formats: ReadonlyMap<string, WeightFormat>;
  /** How products are scheduled, by `linearKey`; what is not there gets the analytical choice. */
  readonly schedules?: ReadonlyMap<string, LinearSchedule>;
  /** What keys and values are kept as; default f32. */
  readonly cache?: CacheType;
  /** An entry of `compile/pass`, run before all others. */
  readonly pass?: Pass;
  /** Most tokens and most output rows of a step. */
  readonly tokensMax: number;
  readonly rowsMax: number;
  /** What decides which operations become one kernel; without it each is its own. */
  readonly fusion?: { readonly id: string; readonly policy: Fusion };
  /** Called with the graph before the first pass and after each, and what gives the program of it without fusion. */
  readonly observe?: (pass: string, graph: Graph, program: () => Program) => void;
}

export function runPasses(
  graph: Graph,
  { formats, pass: first }: PassContext & Pick<CompileOptions, "pass">,
  observe?: (pass: string, graph: Graph) => void,
): Graph {
  verify(graph, "capture");
  observe?.("capture", graph);
  let current = graph;
  for (const pass of first === undefined ? passes : [first, ...passes]) {
    current = pass.run(current, { formats: withStacked(formats, current) });
    verify(current, pass.name);
    observe?.(pass.name, current);
  }
  return current;
}

/** Parameters below one another have the format that each of them has. */
function withStacked(formats: ReadonlyMap<string, WeightFormat>, { nodes }: Graph): ReadonlyMap<string, WeightFormat> {
  const stacked = nodes.flatMap(({ op, type }) => {
    if (op.kind !== "weight" || op.parts === undefined || type.shape.length !== 2) return [];
    return [[op.name, formats.get(op.parts[0]!)!] as const];
  });
  return stacked.length === 0 ? formats : new Map([...formats, ...stacked]);
}

export function compile(graph: Graph, options: CompileOptions): Program {
  const { observe } = options;
  const program = (of: Graph, fusion: CompileOptions["fusion"]): Program => {
    const ready = storeApart.run(of, options);
    const known = { ...options, formats: withStacked(options.formats, of) };
    const groups = fusion && fuse(ready, fusion.policy, fusion.id, known);
    return schedule(lowerGraph(ready, known, groups), options);
  };
  const each = observe && ((pass: string, after: Graph) => observe(pass, after, () => program(after, undefined)));
  return program(runPasses(graph, options, each), options.fusion);
}
