import assert from "node:assert/strict";
import { test } from "node:test";
import type { Summary } from "./measure.ts";
import { winnerColumns, winnersOf } from "./winners.ts";
import { count, duration, gpusInWords, mark, percent, times } from "./words.ts";

const summary = (averageJct: number, rest: Partial<Summary> = {}): Summary => ({
  ...{ jobs: 10, finished: 10, averageJct, medianJct: 1, p99Jct: 1, makespan: 1, averageWait: 0, utilisation: 0.5 },
  ...{ worstRho: Number.NaN, averageRho: Number.NaN, unfair: Number.NaN, restarts: 0, ...rest },
});

test("policies stand in the order of their average JCT, with how far each is from the best", () => {
  const { rows, sentence } = winnersOf(
    ["fifo", "srtf", "las"],
    [summary(300, { utilisation: 1 }), summary(100), summary(150)],
  );
  assert.deepEqual(
    rows.map(({ name, cells }) => [name, cells[0]]),
    [
      ["srtf", { text: "1m 40s", worse: 1 }],
      ["las", { text: "2m 30s", worse: 1.5 }],
      ["fifo", { text: "5m", worse: 3 }],
    ],
  );
  const utilisation = winnerColumns.findIndex(({ key }) => key === "utilisation");
  assert.deepEqual(
    rows.map(({ cells }) => cells[utilisation]!.worse),
    [2, 2, 1],
  );
  const rho = winnerColumns.findIndex(({ key }) => key === "worstRho");
  assert.deepEqual(rows[0]!.cells[rho], { text: "–", worse: undefined });
  assert.equal(
    sentence,
    "srtf wins: 1m 40s on average from submission to end, 1.50× faster than las, and 3.00× faster than fifo.",
  );
});

test("what is level is not won, and fewer finished jobs are said", () => {
  assert.match(winnersOf(["a", "b"], [summary(100), summary(100.1)]).sentence, /^a and b are level: 1m 40s/);
  const short = winnersOf(["b", "a"], [summary(90, { finished: 8 }), summary(100)]);
  assert.deepEqual(
    short.rows.map(({ name }) => name),
    ["a", "b"],
  );
  assert.equal(
    short.sentence,
    "a: 1m 40s on average from submission to end. Fewer jobs finished under b (8 of 10): not compared.",
  );
  const three = winnersOf(["a", "b", "c"], [summary(100), summary(100.2), summary(100.1)]);
  assert.match(three.sentence, /^All are level: 1m 40s on average from submission to end\.$/);
  assert.equal(winnersOf(["a"], [summary(Number.NaN, { finished: 0 })]).sentence, "No job has finished.");
});

test("words", () => {
  assert.deepEqual([0, 8.254, 59.999, 366, 86_400, 200_000, Number.NaN, -90].map(duration), [
    ...["0s", "8.25s", "1m", "6m 6s", "1d", "2d 7h", "–", "−1m 30s"],
  ]);
  assert.deepEqual([count(82_247), percent(0.5), times(1.319), times(123.4)], ["82,247", "50.0 %", "1.32×", "123×"]);
  assert.deepEqual([gpusInWords(1), gpusInWords(2000)], ["1 GPU", "2,000 GPUs"]);
  const day = 86_400;
  assert.deepEqual(
    [mark(0, day), mark(34 * day, day), mark(34 * day + 17 * 3600 + 900, 900), mark(34 * day + 17 * 3600, 900)],
    ["0", "34d", "34d 17h 15m", "34d 17h"],
  );
  assert.deepEqual([mark(34 * day + 17 * 3600 + 965, 5), mark(1.25, 0.01)], ["17h 16m 5s", "1.25s"]);
});
