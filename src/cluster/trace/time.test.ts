import assert from "node:assert/strict";
import { test } from "node:test";
import { slurmBytes, slurmSeconds, unixSeconds } from "./time.ts";

test("calendar times, with and without an offset", () => {
  const noon = Date.UTC(2024, 1, 29, 12) / 1000;
  assert.equal(unixSeconds("2024-02-29 12:00:00"), noon);
  assert.equal(unixSeconds("2024-02-29T12:00:00.250"), noon + 0.25);
  assert.equal(unixSeconds("2024-02-29 20:00:00+08:00"), noon);
  assert.equal(unixSeconds("2024-02-29 04:30:00-0730"), noon);
  assert.equal(unixSeconds(String(noon)), noon);
  for (const wrong of [
    "2023-02-29 12:00:00",
    "2024-02-29 25:00:00",
    "2024-02-29 12:00:61",
    "170000000",
    "2024-02-29",
    "None",
    "",
  ]) {
    assert.equal(unixSeconds(wrong), undefined, wrong);
  }
});

test("Slurm's durations and sizes", () => {
  assert.equal(slurmSeconds("2-03:04:05"), 2 * 86_400 + 3 * 3600 + 4 * 60 + 5);
  assert.equal(slurmSeconds("00:30:00"), 1800);
  assert.equal(slurmSeconds("12:34.567"), 754.567);
  assert.equal(slurmSeconds("UNLIMITED"), undefined);
  assert.equal(slurmBytes("375G"), 375 * 2 ** 30);
  assert.equal(slurmBytes("4000"), 4000 * 2 ** 20);
  assert.equal(slurmBytes("much"), undefined);
});
