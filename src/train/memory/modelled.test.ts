/** What the modelled machine adds to units and copies, term by term. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import type { MachineCosts, MemoryView } from "../memory.ts";
import { ModelledMachine } from "./modelled.ts";

const none: MachineCosts = {
  wakes: [],
  ...{ lateSeconds: 0, moveSeconds: 0, moveSecondsPerByte: 0, touchSecondsPerByte: 0, slowdown: 0 },
};
const copy = { bytesPerSecond: 1e6, latencySeconds: 0 };
const machineWith = (costs: Partial<MachineCosts>): { machine: ModelledMachine; view: MemoryView } => {
  const view = { ...plainNetwork(2, { copy }), costs: { ...none, ...costs } };
  return { machine: new ModelledMachine(view), view };
};
const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);

test("the smallest copy takes as long as a thread takes to wake, the longer the longer it has slept", () => {
  const wakes = [
    { idleSeconds: 0, askSeconds: 1e-5, startSeconds: 3e-5 },
    { idleSeconds: 1e-3, askSeconds: 2e-5, startSeconds: 5e-5 },
  ];
  const { machine } = machineWith({ wakes });
  machine.wait(machine.copy("out", 0, 0, 1));
  near(machine.now(), 3e-5);
  machine.move(0, 0, 0);
  const { machine: slept } = machineWith({ wakes, moveSeconds: 2e-3 });
  slept.move(0, 0, 1);
  slept.wait(slept.copy("out", 0, 0, 1));
  near(slept.now(), 2e-3 + 5e-5);
  // One behind another finds the thread awake, and begins when that has ended.
  const both = [machine.copy("out", 0, 0, 100), machine.copy("out", 0, 0, 100)];
  machine.wait(both[1]!);
  near(machine.now(), 3e-5 + 2e-4);
});

test("who waits for long is late, who waits shortly looks at the clock", () => {
  const { machine } = machineWith({ lateSeconds: 1e-4 });
  machine.wait(machine.copy("out", 0, 0, 100));
  near(machine.now(), 1e-4);
  machine.wait(machine.copy("out", 0, 0, 1000));
  near(machine.now(), 1e-4 + 1e-3 + 1e-4);
});

test("units are slower for as long as copies move, and where copies were", () => {
  const { machine, view } = machineWith({ slowdown: 0.5 });
  const { seconds } = view.units[0]!;
  machine.copy("out", 0, 0, (seconds / 2) * copy.bytesPerSecond);
  machine.run(0);
  // In half of its time two thirds of that were done.
  near(machine.now(), seconds / 2 + (seconds - seconds / 3));
  const { machine: cold } = machineWith({ touchSecondsPerByte: 1e-6 });
  cold.wait(cold.copy("in", 0, 0, 1000));
  const began = cold.now();
  cold.run(0);
  cold.run(0);
  near(cold.now() - began, 2 * seconds + 1e-3);
});

test("with a clock, what happens between calls counts", () => {
  const { view } = machineWith({});
  let wall = 5;
  const machine = new ModelledMachine(view, () => wall);
  wall += 2;
  machine.run(0);
  near(machine.now(), 2 + view.units[0]!.seconds);
});
