/** What every offload policy promises: values as they were, over steps, and plans that follow from what it sees alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork, residualNetwork, runChecked } from "../test/memory-view.ts";
import { price } from "./memory/modelled.ts";
import { OutOfMemory } from "./memory/out-of-memory.ts";
import { keepAll, type MemoryPlan, type MemoryView, type StepRecord } from "./memory.ts";
import { type Offload, offloads } from "./offload.ts";
import { remats } from "./remat.ts";

const copy = { bytesPerSecond: 2e6, latencySeconds: 1e-3 };
const roomy = 8e6;

/** The plans of three steps, each made with what those before it did. */
function plansOf(policy: Offload, view: MemoryView, drops: MemoryPlan["drops"]): readonly MemoryPlan[] {
  const records: StepRecord[] = [];
  const plans: MemoryPlan[] = [];
  for (let step = 0; step < 3; step++) {
    const plan = policy.plan({ ...view, drops, records });
    plans.push(plan);
    const record = price(view, plan);
    if (record !== undefined) records.push(record);
  }
  return plans;
}

for (const id of offloads.ids()) {
  test(`${id} changes no value, alone and with recomputation, and plans the same twice`, async () => {
    const policy = await offloads.create(id);
    let fitted = 0;
    for (const network of [plainNetwork(8, { capacity: roomy, copy }), residualNetwork(6, { capacity: roomy, copy })]) {
      const expected = runChecked(network, [keepAll, keepAll, keepAll]).values;
      const peak = price(network, keepAll)!.peakBytes;
      for (const share of [2, 0.9, 0.7, 0.5]) {
        for (const remat of ["none", "superneurons"]) {
          const view = { ...network, capacity: 64 * Math.ceil((share * peak) / 64) };
          const drops = (await remats.create(remat)).drops(view);
          const plans = plansOf(policy, view, drops);
          assert.deepEqual(plansOf(await offloads.create(id), view, drops), plans);
          try {
            assert.deepEqual(runChecked(view, plans).values, expected, `${share} ${remat}`);
            fitted++;
          } catch (error) {
            if (!(error instanceof OutOfMemory)) throw error;
            assert.ok(share < 1, error.message);
          }
        }
      }
    }
    assert.ok(fitted >= (id === "gist" ? 6 : 10), `${fitted} of 16 fitted`);
  });
}
