import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf, groupsOf, width } from "../../test/fusion-case.ts";
import { fusions } from "../fusion.ts";

test("each operation is a kernel of its own", async () => {
  const graph = graphOf((g, x) => ({ y: g.rmsNorm(g.add(x, x), g.weight("w", [width]), 1e-6) }));
  assert.deepEqual(groupsOf(graph, await fusions.create("none")), ["embed", "add", "rmsNorm"]);
});
