/** Measurements in turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { interleave, together } from "./interleave.ts";

test("sides measured together are called in turn, and each repetition asks them anew", async () => {
  const calls: string[] = [];
  const run = (name: string, milliseconds: number) => async (): Promise<void> => {
    calls.push(name);
    await sleep(milliseconds);
  };
  const { slow, fast } = together({ slow: run("slow", 12), fast: run("fast", 4) }, { secondsMin: 0.06 });
  const { medians, quotient } = await interleave(2, { slow, fast });
  assert.ok(medians.slow! > medians.fast! && quotient("slow", "fast")! > 1);
  assert.ok(calls.length >= 2 * 2 * 3, `${calls.length} calls`);
  // Each turn has one of either, and who comes first alternates.
  const turns = Array.from({ length: calls.length / 2 }, (_, i) => calls.slice(2 * i, 2 * i + 2).join(" "));
  assert.deepEqual([...new Set(turns)].sort(), ["fast slow", "slow fast"]);
});

test("a number of turns, of which something else than the median is told", async () => {
  let calls = 0;
  const side = together({ one: async () => void calls++ }, { turns: 3, of: (seconds) => seconds.length });
  assert.deepEqual([await side.one(), calls, await side.one(), calls], [3, 3, 3, 6]);
});
