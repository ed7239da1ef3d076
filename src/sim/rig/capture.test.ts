/** The same models under each way of capture: equal losses, and what each saves, counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { captures } from "../../tensor/capture.ts";
import { captureModels } from "../capture-models.ts";
import { rigOf } from "../rig.ts";
import { trainCaptured } from "./capture.ts";

for (const [name, of] of Object.entries(captureModels)) {
  test(`${name} trains to the same losses under each`, async () => {
    const steps = name === "lstm" ? 8 : 5;
    const { losses: expected } = await trainCaptured("pytorch", { of, steps });
    assert.ok(new Set(expected).size === steps, `${expected}`);
    for (const id of captures.ids()) {
      const { losses } = await trainCaptured(id, { of, steps });
      for (const [i, loss] of losses.entries()) {
        assert.ok(Math.abs(loss - expected[i]!) < 1e-5 * expected[i]!, `${id}: ${losses}, not ${expected}`);
      }
    }
  });
}

test("tracing compiles anew for each length; running, and loops in the graph, do not", async () => {
  const nodes = async (id: string, steps: number): Promise<number> => {
    const { metrics } = await trainCaptured(id, { of: captureModels.lstm, steps });
    return metrics.compiledNodes!;
  };
  for (const id of ["pytorch", "dynamic-control-flow"]) assert.equal(await nodes(id, 4), await nodes(id, 1), id);
  assert.ok((await nodes("jax", 4)) > 3 * (await nodes("jax", 1)));
});

test("a session without spare workers waits as long as a plain one", async () => {
  const rig = rigOf("tensor/capture");
  const seconds = async (id: string, given = {}) => (await rig.measure(id, "sim", "stragglers", given)).stepSeconds!;
  assert.equal(await seconds("tensorflow", { spare: 0 }), await seconds("pytorch"));
  assert.ok((await seconds("tensorflow")) < (await seconds("pytorch")));
});
