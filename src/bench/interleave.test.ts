/** Measurements in turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { interleave, together } from "./interleave.ts";

test("sides measured together are called in turn, and each repetition asks them anew", async (context) => {
  const calls: string[] = [];
  // A clock of its own: how long a side takes is no matter of what else this machine does.
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const run = (name: string, milliseconds: number) => async (): Promise<void> => {
    calls.push(name);
    now += milliseconds;
  };
  const { slow, fast } = together({ slow: run("slow", 250), fast: run("fast", 125) }, { secondsMin: 1 });
  const { medians, quotient } = await interleave(2, { slow, fast });
  assert.deepEqual([medians.slow, medians.fast, quotient("slow", "fast")], [0.25, 0.125, 2]);
  // Until each has had its second, the fast one too.
  assert.equal(calls.length, 2 * 2 * 8);
  // Each turn has one of either, and who comes first alternates.
  const turns = Array.from({ length: calls.length / 2 }, (_, i) => calls.slice(2 * i, 2 * i + 2).join(" "));
  assert.deepEqual([...new Set(turns)].sort(), ["fast slow", "slow fast"]);
});

test("a number of turns, of which something else than the median is told", async () => {
  let calls = 0;
  const side = together({ one: async () => void calls++ }, { turns: 3, of: (seconds) => seconds.length });
  assert.deepEqual([await side.one(), calls, await side.one(), calls], [3, 3, 3, 6]);
});
