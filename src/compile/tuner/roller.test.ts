import assert from "node:assert/strict";
import { test } from "node:test";
import { tunerRigs } from "../../sim/rig/tuner.ts";
import { x64Targets } from "../render/x64.ts";
import { Space } from "../schedule/space.ts";
import { tuners } from "../tuner.ts";

const [rig] = tunerRigs;

test("ten constructed tiles are as good as a search of a hundred trials, unless they are not ranked", async () => {
  const roller = await rig!.measure("roller", "sim");
  const tvm = await rig!.measure("tvm", "sim");
  assert.equal(roller.trials, 10);
  assert.ok(roller.shareOfBestMin! >= 0.98, `${roller.shareOfBestMin}`);
  assert.ok(tvm.trialsToBest! / roller.trialsToBest! >= 4, `${tvm.trialsToBest} and ${roller.trialsToBest}`);
  const unranked = await rig!.measure("roller", "sim", undefined, { ranked: 0 });
  assert.ok(unranked.shareOfBestMin! < 0.85, `${unranked.shareOfBestMin}`);
});

test("tiles are aligned with the tokens, and fill the registers", async () => {
  const target = x64Targets["x64-avx512"];
  const task = { format: { kind: "blocks", type: "Q8_0" }, n: 64, k: 64, target, tokens: [9] } as const;
  const tasks = [{ space: new Space(task), times: 1, seconds: undefined, trials: [] }];
  const rowsOf = async (padding: number): Promise<Set<number>> => {
    const roller = await tuners.create("roller", { padding, top: 99 });
    return new Set(roller.propose({ tasks, trialsLeft: 99, seed: 1 }).map(({ tile }) => tile.rows));
  };
  // Nine tokens are three times three; tiles of more than five rows do not fit the registers twice.
  assert.deepEqual(await rowsOf(0), new Set([1, 3]));
  assert.ok(Math.max(...(await rowsOf(0.34))) > 3);
});
