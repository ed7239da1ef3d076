import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf, groupsOf, width } from "../../test/fusion-case.ts";
import { fusions } from "../fusion.ts";

const tvm = await fusions.create("tvm");

test("injective operations are fused with each other and the one product before them, or with the reduction that they end in", () => {
  const graph = graphOf((g, x) => {
    const gated = g.mul(g.gelu(g.linear(x, g.weight("a", [width, width]))), g.linear(x, g.weight("b", [width, width])));
    return { y: g.rmsNorm(gated, g.weight("w", [width]), 1e-6) };
  });
  assert.deepEqual(groupsOf(graph, tvm), ["embed", "linear", "linear+gelu+mul", "rmsNorm"]);
  const reduced = graphOf((g, x) => ({ y: g.rmsNorm(g.gelu(g.relu(x)), g.weight("w", [width]), 1e-6) }));
  assert.deepEqual(groupsOf(reduced, tvm), ["embed+relu+gelu+rmsNorm"]);
});

test("a value that goes two ways is fused where they meet, if only injective ones lie between", () => {
  const meet = graphOf((g, x) => {
    const shared = g.relu(g.linear(x, g.weight("a", [width, width])));
    return { y: g.add(g.gelu(shared), g.silu(shared)) };
  });
  assert.deepEqual(groupsOf(meet, tvm), ["embed", "linear+relu+gelu+silu+add"]);
});

test("nothing is fused behind a reduction, nor where a reduction lies between", () => {
  const graph = graphOf((g, x) => {
    const shared = g.relu(g.linear(x, g.weight("a", [width, width])));
    return { y: g.add(shared, g.rmsNorm(shared, g.weight("w", [width]), 1e-6)) };
  });
  assert.deepEqual(groupsOf(graph, tvm), ["embed", "linear+relu", "rmsNorm", "add"]);
});

test("what the step returns is not fused away", () => {
  const graph = graphOf((g, x) => {
    const y = g.relu(g.linear(x, g.weight("a", [width, width])));
    return { y, z: g.gelu(y) };
  });
  assert.deepEqual(groupsOf(graph, tvm), ["embed", "linear+relu", "gelu"]);
});
