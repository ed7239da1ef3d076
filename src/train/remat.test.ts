/** What every rematerialisation policy promises: values as they were, and a step that fits where keeping everything does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork, residualNetwork, runChecked } from "../test/memory-view.ts";
import { price } from "./memory/modelled.ts";
import { OutOfMemory } from "./memory/out-of-memory.ts";
import { keepAll } from "./memory.ts";
import { remats } from "./remat.ts";

const roomy = 8e6;

for (const id of remats.ids()) {
  test(`${id} changes no value, over two steps, with room and under a cap`, async () => {
    const policy = await remats.create(id);
    const networks = [
      { network: plainNetwork(8, { capacity: roomy }), share: 0.8 },
      // Its rectifiers need only what they made: keeping convolutions' results instead saves nothing under a cap.
      { network: residualNetwork(6, { capacity: roomy }), share: 1 },
    ];
    for (const { network, share } of networks) {
      const expected = runChecked(network, [keepAll, keepAll]).values;
      const peak = price(network, keepAll)!.peakBytes;
      for (const capacity of share < 1 ? [roomy, 64 * Math.ceil((share * peak) / 64)] : [roomy]) {
        const view = { ...network, capacity };
        const plan = { ...keepAll, drops: policy.drops(view) };
        if (id === "none" && capacity < roomy) assert.throws(() => runChecked(view, [plan]), OutOfMemory);
        else assert.deepEqual(runChecked(view, [plan, plan]).values, expected);
      }
    }
  });
}
