/** What every policy promises: groups that can be kernels, in an order that can run, and the same bits as without. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stream } from "../core/random.ts";
import type { GraphBuilder, Value } from "../graph/builder.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { factsOf, graphOf, groupsOf, width } from "../test/fusion-case.ts";
import { openLevels } from "../test/kernel-rig.ts";
import { type Fusion, fusions } from "./fusion.ts";
import { fusionView } from "./fusion-groups.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);

/** Products, norms, sums and activations over what came before. */
function randomGraph(random: () => number, count: number) {
  return graphOf((g, x) => {
    const values = [x];
    const pick = () => values[Math.floor(random() * values.length)]!;
    for (let i = 0; i < count; i++) {
      const kinds = [
        () => g.linear(pick(), g.weight("a", [width, width])),
        () => g.rmsNorm(pick(), g.weight("w", [width]), 1e-6),
        () => g.add(pick(), pick()),
        () => g.mul(pick(), pick()),
        () => g.gelu(pick()),
        () => g.slice(g.concat(pick(), pick()), 32, 96),
      ];
      values.push(kinds[Math.floor(random() * kinds.length)]!());
    }
    return { last: values.at(-1)!, picked: g.gelu(g.gather(pick(), g.rows())) };
  });
}

for (const id of fusions.ids()) {
  test(`${id}: random graphs fall into groups that can be kernels, in an order that can run`, async () => {
    const policy = await fusions.create(id);
    const random = stream(seed);
    for (let run = 0; run < 40; run++) {
      const graph = randomGraph(random, 2 + Math.floor(random() * 30));
      const groups = groupsOf(graph, policy);
      assert.equal(
        groups.flatMap((g) => g.split("+")).length,
        fusionView(graph, factsOf(graph)).nodes.length,
        `HEDDLE_SEED=${seed}`,
      );
    }
  });
}

const chain = graphOf((g, x) => {
  const y = g.gelu(x);
  return { z: g.add(y, g.linear(y, g.weight("a", [width, width]))) };
});
const ids = fusionView(chain, factsOf(chain)).nodes.map(({ id }) => id);
const [embed, gelu, linear, add] = ids as [number, number, number, number];
const wrong: readonly (readonly [string, readonly (readonly number[])[], RegExp])[] = [
  ["a node is left out", [[embed], [gelu], [linear]], /each node belongs to one group/],
  ["a node is in two", [[embed], [gelu], [linear], [add, gelu]], /each node belongs to one group/],
  ["a product is in a group with what it reads", [[embed], [gelu, linear], [add]], /does not follow products/],
  ["a product is in a group of rows", [[embed, linear], [gelu], [add]], /cannot follow .* by columns|wanted outside/],
  ["a group waits for itself", [[embed], [gelu, add], [linear]], /waits for itself/],
];
for (const [what, groups, message] of wrong) {
  test(`a partition is refused where ${what}`, () => {
    const policy: Fusion = { partition: () => groups };
    assert.throws(() => groupsOf(chain, policy), { message });
  });
}

test("a product that is wanted outside may not be in a group, nor one that follows another, nor too many", () => {
  const all: Fusion = { partition: ({ nodes }) => [[nodes[0]!.id], nodes.slice(1).map(({ id }) => id)] };
  const product = (g: GraphBuilder, x: Value, name: string) => g.linear(x, g.weight(name, [width, width]));
  const wanted = graphOf((g, x) => {
    const y = product(g, x, "a");
    return { y, z: g.relu(y) };
  });
  assert.throws(() => groupsOf(wanted, all), /is wanted outside/);
  const chained = graphOf((g, x) => ({ y: g.relu(product(g, product(g, x, "a"), "b")) }));
  assert.throws(() => groupsOf(chained, all), /wanted outside/);
  const blocks = graphOf((g, x) => ({ y: product(g, g.relu(product(g, x, "a")), "b") }));
  assert.throws(() => groupsOf(blocks, all), /a chain with blocks of 0 tokens/);
  const many = graphOf((g, x) => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => product(g, x, name));
    return { y: g.add(g.add(a!, b!), g.add(c!, d!)) };
  });
  assert.throws(() => groupsOf(many, all), /one product of 4/);
});

test("a group may not hold who picks other rows, or reads a slice", () => {
  const together: Fusion = { partition: ({ nodes }) => [nodes.map(({ id }) => id)] };
  const gathered = graphOf((g, x) => ({ y: g.gelu(g.slice(g.relu(x), 32, 64)) }));
  assert.throws(() => groupsOf(gathered, together), /needs other rows/);
});

test("a model's logits are the same bits under every policy, on every level", async () => {
  const { devices } = await openLevels();
  const levels = devices.map(({ level }) => level);
  for (const device of devices) await device.close();
  const checkpoint = await openCheckpoint(fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url)));
  for (const level of levels) {
    const logits: Float32Array[][] = [];
    for (const fusion of fusions.ids()) {
      const runner = await loadRunner(checkpoint, { fusion, level, context: 64, blocks: 8, tokensMax: 16 });
      const rows: Float32Array[] = [];
      for (const [start, tokens] of [
        [0, [3, 1, 4, 1, 5]],
        [5, [9]],
      ] as const) {
        const step = await runner.step([{ tokens, start, blocks: [5, 2], outputs: 1 }]);
        for (const row of step.rows) rows.push(row.logits.slice());
      }
      await runner.close();
      logits.push(rows);
    }
    for (const other of logits.slice(1)) assert.deepEqual(other, logits[0], level);
  }
});
