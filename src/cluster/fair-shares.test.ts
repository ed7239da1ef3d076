import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fairShares } from "./fair-shares.ts";

interface Program {
  readonly capacity: number;
  readonly jobs: readonly (readonly [age: number, work: number, rate: number, alone: number, gpus: number])[];
  readonly shares: readonly number[];
}

/** What cvxpy and ECOS answer: `bench/peers/fair-shares-fixtures.py`. */
const programs: readonly Program[] = JSON.parse(
  readFileSync(new URL("../../fixtures/fair-shares.json", import.meta.url), "utf8"),
);

const solved = ({ jobs, capacity }: Program): Float64Array =>
  fairShares(
    jobs.map(([age, work, rate, alone, gpus]) => ({ age, work, rate, alone, gpus })),
    capacity,
  );

for (const program of programs) {
  test(`${program.jobs.length} jobs on ${program.capacity} GPUs get the shares at which the published solver stops`, () => {
    for (const [i, x] of solved(program).entries())
      assert.ok(Math.abs(x - program.shares[i]!) < 1e-4, `job ${i}: ${x}, ${program.shares[i]}`);
  });
}

test("a share too small for the best worst ratio is not given, and GPUs are not given twice", () => {
  for (const program of programs) {
    const shares = solved(program);
    const ratio = (x: ArrayLike<number>): number =>
      Math.max(...program.jobs.map(([age, work, rate, alone], i) => (age + work / rate / x[i]!) / alone));
    assert.ok(ratio(shares) <= ratio(program.shares) * (1 + 1e-6), `${ratio(shares)}, ${ratio(program.shares)}`);
    const used = program.jobs.reduce((sum, [, , , , gpus], i) => sum + gpus * shares[i]!, 0);
    assert.ok(used <= program.capacity * (1 + 1e-6), `${used} of ${program.capacity}`);
  }
});

test("jobs that are alike get alike shares, whatever the order they come in", () => {
  const claim = { age: 0, work: 1e4, rate: 2, alone: 4e4, gpus: 4 };
  const other = { age: 900, work: 5e3, rate: 3, alone: 2e4, gpus: 2 };
  const [a, b, c] = fairShares([claim, other, claim], 4);
  const [d, e, f] = fairShares([other, claim, claim], 4);
  for (const [x, y] of [
    [a, c],
    [a, e],
    [b, d],
    [c, f],
  ])
    assert.ok(Math.abs(x! - y!) < 1e-7, `${x}, ${y}`);
});
