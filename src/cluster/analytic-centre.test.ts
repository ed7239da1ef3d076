import assert from "node:assert/strict";
import { test } from "node:test";
import { analyticCentre } from "./analytic-centre.ts";
import { LinearProgram, type Term } from "./linear-program.ts";

const near = (found: Float64Array | undefined, expected: readonly number[]): void => {
  assert.equal(found?.length, expected.length);
  for (const [j, value] of expected.entries())
    assert.ok(Math.abs(found![j]! - value) < 1e-7, `${found} for ${expected}`);
};

test("between two walls it is in the middle, and in a triangle at the centroid", () => {
  const program = new LinearProgram("minimise");
  const x = program.variable({ min: 2, max: 5 });
  near(analyticCentre(program, new Set()), [3.5]);
  const y = program.variable();
  const z = program.variable();
  program.atMost(3, [
    [y, 1],
    [z, 1],
  ]);
  near(analyticCentre(program, new Set()), [3.5, 1, 1]);
  program.atMost(1, [[x, 1]]);
  assert.equal(analyticCentre(program, new Set()), undefined);
});

test("a share whose row bounds a time stands where the barrier of its cone is least, whatever the unit of its speed", () => {
  // log x + log(1 − x) + 2 log(x − n) − log x is largest at (2 + n) / 3.
  for (const speed of [1, 200]) {
    const program = new LinearProgram("minimise");
    const x = program.variable();
    program.atMost(1, [[x, 1]]);
    program.atLeast(0.4 * speed, [[x, speed]]);
    near(analyticCentre(program, new Set([1])), [0.8]);
    // Without it, log x + log(1 − x) + log(x − n) is.
    near(analyticCentre(program, new Set()), [0.7572599295693782]);
  }
});

test("a class of variables that are alike stands where each of them would", () => {
  const centres = [1, 3].map((copies) => {
    const program = new LinearProgram("minimise");
    const one = program.variable();
    const alike = Array.from({ length: 3 / copies }, () => program.variable({ copies }));
    const all: Term[] = [one, ...alike].map((j) => [j, 1]);
    program.atMost(2, all);
    program.atMost(1, [[one, 1]]);
    for (const j of alike) program.atLeast(0.2, [[j, 1]], copies);
    return analyticCentre(program, new Set([2, 3, 4]))!;
  });
  near(centres[1], [...centres[0]!.slice(0, 2)]);
});
