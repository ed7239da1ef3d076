import assert from "node:assert/strict";
import { test } from "node:test";
import { leastSquaresNonNegative } from "./nnls.ts";

const near = (found: readonly number[], wanted: readonly number[]): void => {
  assert.equal(found.length, wanted.length);
  for (const [i, x] of found.entries()) assert.ok(Math.abs(x - wanted[i]!) < 1e-9, `${found}, not ${wanted}`);
};

test("what least squares finds, where that is not negative", () => {
  const rows = [1, 2, 3, 4].map((w) => [1 / w, 1, w]);
  near(
    leastSquaresNonNegative(
      rows,
      rows.map(([a, b, c]) => 3 * a! + 0.5 * b! + 0.25 * c!),
    ),
    [3, 0.5, 0.25],
  );
});

test("a column that would be negative is left out, and the others are fitted without it", () => {
  // y = 2x − 1 at 1, 2, 3: through the origin the slope is (1 + 6 + 15) / 14.
  near(
    leastSquaresNonNegative(
      [
        [1, 1],
        [2, 1],
        [3, 1],
      ],
      [1, 3, 5],
    ),
    [22 / 14, 0],
  );
  near(
    leastSquaresNonNegative(
      [
        [1, 0],
        [0, 1],
      ],
      [-1, -2],
    ),
    [0, 0],
  );
});

test("a column that came in first leaves when a better pair is there", () => {
  const rows = [
    [1, 1, 0],
    [1, 0, 1],
    [0.9, 0, 0],
  ];
  const x = leastSquaresNonNegative(rows, [1, 1, 0]);
  // The normal equations hold for what is positive, and what is zero would only make it worse.
  const misfit = rows.map((row, r) => row.reduce((sum, a, i) => sum + a * x[i]!, 0) - [1, 1, 0][r]!);
  for (const i of [0, 1, 2]) {
    const slope = rows.reduce((sum, row, r) => sum + row[i]! * misfit[r]!, 0);
    assert.ok(x[i]! > 0 ? Math.abs(slope) < 1e-9 : slope >= -1e-9, `${x}: ${slope}`);
  }
});
