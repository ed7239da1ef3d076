/** Compiled graphs of arrays against their meaning, on every level. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { randomArrays } from "../test/array-fuzz.ts";
import { type ArrayData, evaluate } from "../test/array-oracle.ts";
import { runArrays } from "../test/array-run.ts";
import { openLevels } from "../test/kernel-rig.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

/** Within `tolerance` of the greatest. */
function near(actual: ArrayData, wanted: ArrayData, tolerance: number, what: string): void {
  assert.equal(actual.length, wanted.length, what);
  let scale = 1e-3;
  for (const x of wanted) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  for (let i = 0; i < wanted.length; i++) {
    const [a, w] = [actual[i]!, wanted[i]!];
    if (a === w || (Number.isNaN(a) && Number.isNaN(w))) continue;
    assert.ok(Math.abs(a - w) <= tolerance * scale, `${what}: element ${i} is ${a}, not ${w}`);
  }
}

const seeds = Number(process.env.HEDDLE_FUZZ ?? 60);
const first = Number(process.env.HEDDLE_SEED ?? 1);
for (const device of devices) {
  describe(device.level, () => {
    test(`random graphs mean what they should, ${seeds} from HEDDLE_SEED=${first}`, async () => {
      const count = device.level === "reference" ? Math.ceil(seeds / 6) : seeds;
      for (let seed = first; seed < first + count; seed++) {
        const { graph, inputs } = randomArrays(seed);
        const wanted = evaluate(graph, inputs);
        const text = `HEDDLE_SEED=${seed} HEDDLE_FUZZ=1`;
        let actual: Record<string, ArrayData>;
        try {
          actual = await runArrays(device, graph, inputs, { now: seed % 2 === 0 });
        } catch (error) {
          throw new Error(text, { cause: error });
        }
        for (const [name, array] of Object.entries(wanted)) near(actual[name]!, array, 3e-5, `${text} ${name}`);
      }
    });
  });
}
