import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "../../graph/builder.ts";
import { optionalPasses } from "../pass.ts";

test("the graph stays as it was captured", async () => {
  const g = new GraphBuilder();
  const x = g.embed(g.tokens(), g.weight("table", [8, 32]));
  const graph = g.finish({ y: g.add(g.linear(x, g.weight("a", [32, 32])), g.linear(x, g.weight("b", [32, 32]))) });
  const none = await optionalPasses.create("none");
  assert.equal(none.run(graph, { formats: new Map() }), graph);
});
