import assert from "node:assert/strict";
import { test } from "node:test";
import { Forecast, gpuSeconds } from "./forecast.ts";

const sizes = [
  { gpus: 1, rate: 1 },
  { gpus: 2, rate: 1.6 },
  { gpus: 4, rate: 2 },
];

test("the least size that meets the deadline, and no more", () => {
  const pieces = new Forecast(0, 4).minimumShare({ work: 16, deadline: 12, sizes });
  assert.deepEqual(pieces, [{ from: 0, to: 10, gpus: 2 }]);
  assert.equal(gpuSeconds(pieces!), 20);
});

test("what others were promised is gone; what is free later is used later", () => {
  const forecast = new Forecast(0, 4);
  forecast.take([{ from: 0, to: 10, gpus: 3 }]);
  assert.deepEqual(forecast.minimumShare({ work: 18, deadline: 15, sizes }), [
    { from: 0, to: 10, gpus: 1 },
    { from: 10, to: 15, gpus: 2 },
  ]);
  assert.equal(forecast.minimumShare({ work: 21, deadline: 15, sizes }), undefined);
});

test("the soonest end takes all that is free", () => {
  assert.deepEqual(new Forecast(5, 3).soonest({ work: 16, deadline: 6, sizes }), [{ from: 5, to: 15, gpus: 2 }]);
});

test("a job that should have ended already has its least size, whatever is left of it by rounding", () => {
  for (const now of [0, 312.1, 1e6 + 1 / 3]) {
    const pieces = new Forecast(now, 4).minimumShare({ work: 1e-9, deadline: now + 100, sizes });
    assert.equal(pieces?.[0]?.gpus, 1, `${now}`);
  }
});
