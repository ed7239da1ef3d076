import assert from "node:assert/strict";
import { test } from "node:test";
import { launchSeconds, type Task, wholeCall } from "../compile/launch.ts";
import { launchView } from "../test/launch-view.ts";
import { simulateLaunch } from "./launch-simulation.ts";

const { claim, event, nativeCall } = launchSeconds;
const task = (call: number, how: Partial<Task> = {}): Task => ({ ...wholeCall(call), ...how });
const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test("a unit computes one task after the other; native calls are paid for each by itself", () => {
  const view = launchView([[], [0]], 1);
  near(simulateLaunch(view, [task(0), task(1)]).seconds, nativeCall + 2 * (claim + 1e-6));
  near(simulateLaunch(view, [task(0, { cut: true }), task(1)]).seconds, 2 * (nativeCall + claim + 1e-6));
});

test("tasks of different units run side by side, and one that waits begins when the event has arrived", () => {
  const view = launchView([[], [], [0, 1]], 2);
  const plan = [task(0, { thread: 0 }), task(1, { thread: 1 }), task(2, { thread: 0, after: [1] })];
  const { seconds, waits, utilisation } = simulateLaunch(view, plan);
  near(seconds, nativeCall + 2 * (claim + 1e-6) + event);
  assert.equal(waits, 1);
  near(utilisation, 3e-6 / (2 * seconds));
});

test("all share a task without a unit, chunk by chunk, and meet at a barrier", () => {
  const view = launchView([[], [0]], 2, 16, 16e-6);
  const { seconds, waits } = simulateLaunch(view, [task(0, { barrier: true }), task(1)]);
  near(seconds, nativeCall + 16 * claim + 16e-6 + event);
  assert.equal(waits, 2);
});
