/** What TASO makes of small graphs, and that what it makes is the same function. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openReference, referenceTarget } from "../../device/reference.ts";
import { GraphBuilder, type Value } from "../../graph/builder.ts";
import type { Graph } from "../../graph/ir.ts";
import { compileWith, runGraph } from "../../sim/graph-run.ts";
import { parallelProducts, threeSums } from "../../sim/rig/pass.ts";
import type { WeightFormat } from "../layout.ts";
import { optionalPasses } from "../pass.ts";

const device = openReference({ threads: 1, scratchBytes: 1 << 16 });
after(() => device.close());

interface Build {
  readonly g: GraphBuilder;
  readonly x: Value;
  matrix(name: string, n?: number): Value;
}

function graphOf(y: (build: Build) => Value): Graph {
  const g = new GraphBuilder();
  const x = g.embed(g.tokens(), g.weight("table", [64, 64]));
  return g.finish({ y: g.gather(y({ g, x, matrix: (name, n = 64) => g.weight(name, [n, 64]) }), g.rows()) });
}

const formatsOf = (graph: Graph, format: (name: string) => WeightFormat): Map<string, WeightFormat> =>
  new Map(graph.nodes.flatMap(({ op }) => (op.kind === "weight" ? [[op.name, format(op.name)] as const] : [])));

const products = (graph: Graph): number => graph.nodes.filter((n) => n.op.kind === "linear").length;

async function rewritten(graph: Graph, given = {}, format: (name: string) => WeightFormat = () => ({ kind: "f32" })) {
  const pass = await optionalPasses.create("taso", given);
  return pass.run(graph, { formats: formatsOf(graph, format) });
}

async function outputs(graph: Graph, id: string, given = {}): Promise<Float32Array> {
  const pass = await optionalPasses.create(id, given);
  return runGraph(device, graph, compileWith(graph, pass, { kind: "f32" }, referenceTarget));
}

test("products of one value with two matrices become one product with both, below one another", async () => {
  const graph = graphOf(({ g, x, matrix }) => g.add(g.relu(g.linear(x, matrix("a"))), g.linear(x, matrix("b", 64))));
  const after = await rewritten(graph);
  assert.equal(products(after), 1);
  const stacked = after.nodes.find((n) => n.op.kind === "weight" && n.op.parts !== undefined)!;
  assert.deepEqual(stacked.op, { kind: "weight", name: "a+b", parts: ["a", "b"] });
  assert.deepEqual(stacked.type.shape, [128, 64]);
});

test("matrices in different formats, of odd heights, or with a bias stay apart", async () => {
  const two = graphOf(({ g, x, matrix }) => g.add(g.linear(x, matrix("a")), g.linear(x, matrix("b"))));
  const mixed = (name: string): WeightFormat => ({ kind: name === "a" ? "bf16" : "f32" });
  assert.equal(products(await rewritten(two, {}, mixed)), 2);
  const odd = graphOf(({ g, x, matrix }) => g.mul(g.linear(x, matrix("a", 40)), g.linear(x, matrix("b", 40))));
  assert.equal(products(await rewritten(odd)), 2);
  const biased = graphOf(({ g, x, matrix }) =>
    g.add(g.linear(x, matrix("a"), g.weight("a.bias", [64])), g.linear(x, matrix("b"), g.weight("b.bias", [64]))),
  );
  assert.equal(products(await rewritten(biased)), 2);
});

test("slices that would have to be copied are not worth a merged product", async () => {
  const graph = graphOf(({ g, x, matrix }) =>
    g.mul(g.linear(g.linear(x, matrix("a")), matrix("c")), g.linear(g.linear(x, matrix("b")), matrix("d"))),
  );
  assert.equal(products(await rewritten(graph)), 4);
});

test("the search passes through worse graphs; without that it stops earlier", async () => {
  const count = async (given: object): Promise<number> => {
    const { program } = compileWith(
      threeSums(),
      await optionalPasses.create("taso", { ...given }),
      { kind: "f32" },
      referenceTarget,
    );
    return program.calls.length;
  };
  assert.deepEqual([await count({ alpha: 1 }), await count({})], [32, 26]);
  // The first graph alone gives what single substitutions give.
  assert.ok((await count({ graphsMax: 1 })) > 32);
});

test("not one bit changes", async () => {
  for (const graph of [parallelProducts(), threeSums()]) {
    assert.deepEqual(await outputs(graph, "taso", { graphsMax: 30 }), await outputs(graph, "none"));
  }
});

test("a split is undone only at the seam of the concatenation that made it", async () => {
  // Slices at 64 of 192 columns, of which the first 128 were put together first.
  const graph = graphOf(({ g, x, matrix }) => {
    const whole = g.relu(g.concat(g.concat(x, g.silu(x)), g.linear(x, matrix("a"))));
    return g.mul(
      g.linear(g.slice(whole, 0, 64), matrix("b")),
      g.add(g.slice(whole, 64, 128), g.slice(whole, 128, 192)),
    );
  });
  assert.deepEqual(await outputs(graph, "taso"), await outputs(graph, "none"));
});

test("sums are taken in another order only where that is allowed", async () => {
  const graph = graphOf(({ g, x, matrix }) => {
    const s = g.silu(x);
    return g.add(g.linear(x, matrix("a")), g.linear(s, matrix("a")));
  });
  assert.equal(products(await rewritten(graph)), 2);
  assert.equal(products(await rewritten(graph, { exact: 0 })), 1);
  const [expected, actual] = [await outputs(graph, "none"), await outputs(graph, "taso", { exact: 0 })];
  const scale = Math.max(...expected.map(Math.abs));
  assert.ok(expected.every((x, i) => Math.abs(x - actual[i]!) <= 1e-5 * scale));
});

test("layers of the same form are searched once, and each keeps its own parameters", async () => {
  const after = await rewritten(parallelProducts());
  const stacked = after.nodes.flatMap(({ op }) => (op.kind === "weight" && op.parts !== undefined ? [op.parts] : []));
  assert.deepEqual(
    stacked.map((parts) => parts.toSorted()),
    [0, 1, 2].map((i) => ["a", "b", "c"].map((name) => `${i}.${name}`)),
  );
});
