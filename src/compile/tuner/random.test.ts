import assert from "node:assert/strict";
import { test } from "node:test";
import { x64Targets } from "../render/x64.ts";
import { Space, tileKey } from "../schedule/space.ts";
import { tuners } from "../tuner.ts";

const space = (n: number) =>
  new Space({ format: { kind: "bf16" }, n, k: 64, target: x64Targets["x64-avx512"], tokens: [16] });

test("each product gets its turn, and no tile comes twice", async () => {
  const random = await tuners.create("random", { batch: 4 });
  const tasks = [64, 96].map((n) => ({ space: space(n), times: 1, seconds: undefined, trials: [] as never[] }));
  const first = random.propose({ tasks, trialsLeft: 100, seed: 1 });
  assert.deepEqual(new Set(first.map((p) => p.task)), new Set([0]));
  assert.equal(new Set(first.map((p) => tileKey(p.tile))).size, 4);
  const trials = first.map(({ tile }) => ({ tile, relative: 1 }));
  const second = random.propose({ tasks: [{ ...tasks[0]!, trials }, tasks[1]!], trialsLeft: 2, seed: 1 });
  assert.deepEqual(
    second.map((p) => p.task),
    [1, 1],
  );
});
