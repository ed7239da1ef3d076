import assert from "node:assert/strict";
import { test } from "node:test";
import { x64Targets } from "../render/x64.ts";
import { defaultSchedule, tileFor } from "../schedule/linear.ts";
import { Space } from "../schedule/space.ts";
import { tuners } from "../tuner.ts";

test("measures nothing, and chooses what is used without records", async () => {
  const target = x64Targets["x64-avx512"];
  const task = { format: { kind: "blocks", type: "Q4_0" }, n: 64, k: 64, target, tokens: [128] } as const;
  const view = {
    tasks: [{ space: new Space(task), times: 1, seconds: undefined, trials: [] }],
    trialsLeft: 9,
    seed: 1,
  };
  const analytical = await tuners.create("analytical");
  assert.deepEqual(analytical.propose(view), []);
  assert.deepEqual(analytical.choose!(view), [tileFor(defaultSchedule(target, task.format, task), 128)]);
});
