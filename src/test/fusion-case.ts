/** Small graphs for tests of fusion, and what a policy makes of them: the kinds of operations in each group. */
import type { Fusion } from "../compile/fusion.ts";
import { type FusionFacts, fuse } from "../compile/fusion-groups.ts";
import { storeApart } from "../compile/transform/store-apart.ts";
import { GraphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";

export const width = 64;

/** A graph over x, rows of 64, whose output is what `build` makes of it. */
export function graphOf(build: (g: GraphBuilder, x: Value) => Readonly<Record<string, Value>>): Graph {
  const g = new GraphBuilder();
  return g.finish(build(g, g.embed(g.tokens(), g.weight("table", [64, width]))));
}

/** Weights in f32, and steps of 128 tokens. */
export const factsOf = ({ nodes }: Graph): FusionFacts => ({
  formats: new Map(
    nodes.flatMap(({ op }) => (op.kind === "weight" ? [[op.name, { kind: "f32" } as const] as const] : [])),
  ),
  tokensMax: 128,
});

/** Groups in order, each as the kinds of its operations joined by `+`. */
export function groupsOf(graph: Graph, policy: Fusion): readonly string[] {
  const ready = storeApart.run(graph, { formats: new Map() });
  const kindOf = new Map(ready.nodes.map(({ id, op }) => [id, op.kind]));
  return fuse(ready, policy, "test", factsOf(ready)).map(({ nodes }) => nodes.map((id) => kindOf.get(id)!).join("+"));
}
