import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "../../graph/builder.ts";
import { graphOf, groupsOf, width } from "../../test/fusion-case.ts";
import { fusions } from "../fusion.ts";

const welder = await fusions.create("welder");

/** Two products of `n` columns, gated. */
const gated = (n: number) =>
  graphOf((g, x) => {
    const [a, b] = [g.linear(x, g.weight("a", [n, width])), g.linear(x, g.weight("b", [n, width]))];
    return { y: g.linear(g.mul(g.gelu(a), b), g.weight("c", [width, n])) };
  });

test("what follows products column by column is done to their panels", () => {
  assert.deepEqual(groupsOf(gated(128), welder), ["embed", "linear+linear+gelu+mul", "linear"]);
});

test("panels of all tokens must fit the cache", async () => {
  // Two panels of 32 floats a token in 512 KiB: at most 2,048 tokens.
  const most = await fusions.create("welder", { tokens: 2048 });
  assert.equal(groupsOf(gated(128), most).length, 3);
  const more = await fusions.create("welder", { tokens: 2049 });
  assert.ok(groupsOf(gated(128), more).length > 3);
});

test("a norm needs whole rows: it is not connected to the product before it", () => {
  const graph = graphOf((g, x) => ({
    y: g.rmsNorm(g.relu(g.linear(x, g.weight("a", [width, width]))), g.weight("w", [width]), 1e-6),
  }));
  const groups = groupsOf(graph, welder);
  assert.ok(!groups.some((group) => /linear.*rmsNorm/.test(group)), `${groups}`);
});

test("attention and what follows it column by column share the heads of a token", () => {
  const g = new GraphBuilder();
  const heads = g.reshape(g.embed(g.tokens(), g.weight("table", [64, width])), ["T", 2, 32]);
  const seen = g.attention(heads, heads, heads, g.positions(), { layer: 0, scale: 1 });
  const graph = g.finish({ y: g.relu(g.reshape(seen, ["T", width])) });
  assert.deepEqual(groupsOf(graph, welder), ["embed+cacheStore", "attention+relu"]);
});
