import assert from "node:assert/strict";
import { test } from "node:test";
import type { Need } from "./forecast.ts";
import { costOf, gpusAt, nextSize, SlotForecast } from "./slots.ts";

const need = (work: number, deadline: number): Need => ({
  work,
  deadline,
  sizes: [1, 2, 4].map((gpus) => ({ gpus, rate: gpus })),
});

test("the last slots before a deadline are filled first, and those before with a size less", () => {
  const forecast = new SlotForecast(10, 4);
  // One GPU does 100 of it in 100 s; what is asked needs two from the fifth slot on, and one before.
  const alone = forecast.minimumShare(need(30, 100));
  assert.deepEqual(alone.pieces, [{ from: 0, to: 3, gpus: 1 }]);
  const waits = new SlotForecast(10, 4);
  waits.take({ pieces: [{ from: 0, to: 6, gpus: 4 }], seconds: 60, counted: 6 });
  assert.deepEqual(waits.minimumShare(need(30, 100)).pieces, [{ from: 6, to: 9, gpus: 1 }]);
  const tight = waits.minimumShare(need(60, 100));
  assert.deepEqual([tight.pieces, tight.seconds], [[{ from: 6, to: 9, gpus: 2 }], 90]);
  const two = new SlotForecast(10, 4);
  two.take({ pieces: [{ from: 2, to: 4, gpus: 2 }], seconds: 40, counted: 4 });
  assert.deepEqual(two.minimumShare(need(110, 100)).pieces, [
    { from: 0, to: 2, gpus: 1 },
    { from: 2, to: 4, gpus: 1 },
    { from: 4, to: 8, gpus: 2 },
  ]);
});

test("who cannot meet its deadline gets all that is free, after it too", () => {
  const forecast = new SlotForecast(10, 4);
  forecast.take({ pieces: [{ from: 0, to: 3, gpus: 3 }], seconds: 30, counted: 3 });
  const late = forecast.minimumShare(need(100, 20));
  assert.deepEqual(late.pieces, [
    { from: 0, to: 2, gpus: 1 },
    { from: 2, to: 3, gpus: 1 },
    { from: 3, to: 5, gpus: 4 },
  ]);
  assert.equal(late.seconds, 48);
});

test("a larger size is held until what is free changes, and the minimum share after that", () => {
  const forecast = new SlotForecast(10, 4);
  forecast.take({ pieces: [{ from: 2, to: 4, gpus: 4 }], seconds: 40, counted: 4 });
  const plan = forecast.startingWith(4, need(100, 100));
  assert.deepEqual(plan.pieces, [
    { from: 0, to: 2, gpus: 4 },
    { from: 4, to: 6, gpus: 1 },
  ]);
  assert.deepEqual([gpusAt(plan, 0), nextSize(plan), costOf(plan)], [4, 2, 10]);
});
