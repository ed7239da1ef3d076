import assert from "node:assert/strict";
import { test } from "node:test";
import { predictStep } from "../../data/loader/tf-data/latency.ts";
import { type Loader, loaders, type Setting } from "../../data/loader.ts";
import { checkClaim, rigOf } from "../rig.ts";
import { loaderWorkloads, simulateLoader } from "./loader.ts";

const rig = rigOf("data/loader");
const images = loaderWorkloads.images!;

test("tf-data keeps its claim, and not without what it consists of", async () => {
  const checked = await checkClaim("data/loader", "tf-data");
  assert.ok(checked?.holds, JSON.stringify(checked));
  const untuned = await rig.measure("tf-data", "sim", "images", { autotune: 0 });
  assert.ok(checked.baseline / untuned.stepSeconds! < 1.5, JSON.stringify(untuned));
  const [fused, separate] = [checked.mine, (await rig.measure("tf-data", "sim", "images", { fusion: 0 })).stepSeconds!];
  assert.ok(separate > 1.1 * fused, `${separate} ${fused}`);
});

const fixed = (policy: Loader, setting: Setting): Loader => ({
  stages: policy.stages,
  settings: (stages) => stages.map(() => setting),
});

test("what it settles on is within a tenth of the best of all settings, and the model ranks settings as they are", async () => {
  const policy = await loaders.create("tf-data");
  for (const workload of [images, { ...images, consumerSeconds: 80e-3 }, loaderWorkloads.tokens!]) {
    const tuned = simulateLoader(policy, workload);
    const all = [0, 1, 2, 3, 4].flatMap((parallelism) =>
      [1, 2, 4, 8, 16].map((buffer) => {
        const { metrics, view } = simulateLoader(fixed(policy, { parallelism, buffer }), workload);
        return {
          seconds: metrics.stepSeconds!,
          predicted: predictStep(view!, [{ parallelism, buffer }]),
          buffer,
          parallelism,
        };
      }),
    );
    const best = Math.min(...all.map(({ seconds }) => seconds));
    assert.ok(tuned.metrics.stepSeconds! <= 1.1 * best, `${tuned.metrics.stepSeconds} ${best}`);
    // Where a buffer holds what is being made and one batch more, the model is near; smaller ones cannot keep workers busy.
    for (const { seconds, predicted, buffer, parallelism } of all.filter((s) => s.buffer > 2 * s.parallelism)) {
      const ratio = predicted / seconds;
      assert.ok(
        ratio > 0.85 && ratio < 1.25,
        `${parallelism} workers, ${buffer} batches: ${predicted} s, was ${seconds}`,
      );
    }
  }
});

test("on real threads every loader gives all batches, and the baseline starts none", async () => {
  const [none, tfData] = await Promise.all(["none", "tf-data"].map((id) => rig.measure(id, "machine")));
  assert.deepEqual([none!.batches, none!.threadsAtEnd], [32, 0]);
  assert.equal(tfData!.batches, 32);
});
