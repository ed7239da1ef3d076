import assert from "node:assert/strict";
import { test } from "node:test";
import { minimiseBounded } from "./minimise.ts";

test("the bottom of a bent valley is found, and the bound that cuts it off", () => {
  const rosenbrock = (x: Float64Array, gradient: Float64Array): number => {
    const [a, b] = [x[0]!, x[1]!];
    gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a);
    gradient[1] = 200 * (b - a * a);
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
  };
  const free = minimiseBounded({ from: [-1, 1], low: [-5, -5], high: [5, 5], valueAt: rosenbrock });
  assert.ok(Math.abs(free[0]! - 1) < 1e-4 && Math.abs(free[1]! - 1) < 1e-4, `${free}`);
  const cut = minimiseBounded({ from: [-1, 1], low: [-5, -5], high: [0.5, 5], valueAt: rosenbrock });
  assert.ok(Math.abs(cut[0]! - 0.5) < 1e-6 && Math.abs(cut[1]! - 0.25) < 1e-4, `${cut}`);
});

test("a variable whose bounds are equal stays", () => {
  const bowl = (x: Float64Array, gradient: Float64Array): number => {
    gradient.set([2 * x[0]!, 2 * (x[1]! - 3)]);
    return x[0]! ** 2 + (x[1]! - 3) ** 2;
  };
  const [a, b] = minimiseBounded({ from: [2, 0], low: [2, 0], high: [2, 9], valueAt: bowl });
  assert.deepEqual([a, Math.round(b! * 1e6) / 1e6], [2, 3]);
});
