import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRate, type Schedule } from "./schedule.ts";

const cosine: Schedule = { kind: "cosine", peak: 1, last: 0.1, warmup: 10, steps: 100 };

test("a restart begins the whole curve again; until then nothing is known of it", () => {
  const again: Schedule = { ...cosine, steps: 250, restarts: [100] };
  for (let number = 1; number <= 100; number++) assert.equal(learningRate(again, number), learningRate(cosine, number));
  assert.equal(learningRate(again, 101), learningRate(cosine, 1));
  assert.equal(learningRate(again, 110), 1);
  const longer = { ...cosine, steps: 150 };
  for (let number = 1; number <= 150; number++) {
    assert.equal(learningRate(again, 100 + number), learningRate(longer, number));
  }
  assert.ok(Math.abs(learningRate(again, 250) - 0.1) < 1e-12);
});
