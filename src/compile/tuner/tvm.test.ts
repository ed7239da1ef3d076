import assert from "node:assert/strict";
import { test } from "node:test";
import { tunerRigs } from "../../sim/rig/tuner.ts";

const [rig] = tunerRigs;
const trialsToBest = async (id: string, given = {}): Promise<number> =>
  (await rig!.measure(id, "sim", "products", given)).trialsToBest!;

test("a model and walks over it need half the trials of drawing; without either the gain is gone", async () => {
  const tvm = await trialsToBest("tvm");
  assert.ok((await trialsToBest("random")) / tvm >= 1.5, `${tvm}`);
  assert.ok((await trialsToBest("tvm", { model: 0 })) / tvm >= 1.5, "tiles ranked by chance");
  assert.ok((await trialsToBest("tvm", { steps: 0 })) / tvm >= 1.5, "walks without steps");
});
