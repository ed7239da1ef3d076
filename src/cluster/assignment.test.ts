import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { assignment } from "./assignment.ts";

function cheapest(costs: readonly (readonly number[])[], row = 0, taken = 0): number {
  if (row === costs.length) return 0;
  let best = Number.POSITIVE_INFINITY;
  for (const [column, cost] of costs[row]!.entries()) {
    if ((taken >> column) & 1) continue;
    best = Math.min(best, cost + cheapest(costs, row + 1, taken | (1 << column)));
  }
  return best;
}

test("no other assignment costs less", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = stream(11, seed);
    const rows = 1 + Math.floor(random() * 5);
    const columns = rows + Math.floor(random() * 3);
    const costs = Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.floor(random() * 9)));
    const chosen = [...assignment(rows, columns, (i, j) => costs[i]![j]!)];
    assert.equal(new Set(chosen).size, rows);
    assert.equal(
      chosen.reduce((sum, j, i) => sum + costs[i]![j]!, 0),
      cheapest(costs),
      `seed ${seed}`,
    );
  }
});

test("equal costs give each row its own column", () => {
  assert.deepEqual([...assignment(4, 6, () => 1)], [0, 1, 2, 3]);
});
