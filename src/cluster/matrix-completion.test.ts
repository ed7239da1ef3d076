import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { completed } from "./matrix-completion.ts";

test("a matrix of low rank is found again from a part of its entries", () => {
  const random = stream(21);
  const column = (): number[] => Array.from({ length: 2 }, () => 0.2 + random());
  const [left, right] = [Array.from({ length: 20 }, column), Array.from({ length: 30 }, column)];
  const whole = left.map((u) => right.map((v) => u[0]! * v[0]! + u[1]! * v[1]!));
  const known = whole.map((row) => row.map((value) => (random() < 0.5 ? value : undefined)));
  const found = completed(known, { rank: 2, penalty: 0.01, sweeps: 100 });
  let [sum, n] = [0, 0];
  for (const [i, row] of whole.entries()) {
    for (const [j, value] of row.entries()) {
      if (known[i]![j] !== undefined) assert.equal(found[i]![j], value);
      else sum += Math.abs(found[i]![j]! / value - 1);
      if (known[i]![j] === undefined) n++;
    }
  }
  assert.ok(n > 200 && sum / n < 0.05, `${sum / n} of ${n}`);
});
