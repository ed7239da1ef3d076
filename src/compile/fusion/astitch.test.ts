import assert from "node:assert/strict";
import { test } from "node:test";
import { factsOf, graphOf, groupsOf, width } from "../../test/fusion-case.ts";
import { fusions } from "../fusion.ts";
import { fusionView } from "../fusion-groups.ts";

const astitch = await fusions.create("astitch");

test("a chain is stitched across its reductions, and the residual goes on from the same kernel", () => {
  const graph = graphOf((g, x) => {
    const norm = (y: typeof x, name: string) => g.rmsNorm(y, g.weight(name, [width]), 1e-6);
    const middle = g.add(x, norm(g.linear(x, g.weight("a", [width, width])), "w"));
    return { y: g.add(middle, g.linear(norm(middle, "v"), g.weight("b", [width, width]))) };
  });
  assert.deepEqual(groupsOf(graph, astitch), ["embed", "linear", "rmsNorm+add+rmsNorm", "linear", "add"]);
});

const branches = graphOf((g, x) => {
  const part = (name: string) => g.rmsNorm(g.linear(x, g.weight(name, [width, width])), g.weight("w", [width]), 1e-6);
  return { y: part("a"), z: part("b") };
});

test("groups that share nothing are stitched too, if none waits for the other", async () => {
  assert.deepEqual(groupsOf(branches, astitch), ["embed", "linear", "linear", "rmsNorm+rmsNorm"]);
  const near = await fusions.create("astitch", { remote: 0 });
  assert.deepEqual(groupsOf(branches, near), ["embed", "linear", "rmsNorm", "linear", "rmsNorm"]);
});

test("rows that are read again must fit the nearest cache together", () => {
  const graph = graphOf((g, x) => {
    const y = g.rmsNorm(g.gelu(g.linear(x, g.weight("a", [width, width]))), g.weight("w", [width]), 1e-6);
    return { z: g.linear(y, g.weight("b", [width, width])) };
  });
  const view = fusionView(graph, factsOf(graph));
  const largest = (l1Bytes: number) =>
    Math.max(...astitch.partition({ ...view, l1Bytes }).map((group) => group.length));
  assert.deepEqual([largest(width * 4), largest(width * 4 - 1)], [2, 1]);
});
