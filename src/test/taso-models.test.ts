/** Models whose graphs TASO rewrote give every bit of what they gave as captured, in fewer calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";

const small = { threads: 1, tokensMax: 16, rowsMax: 4, sequencesMax: 2, blocks: 4, context: 32 };

for (const name of ["llama", "qwen3"]) {
  test(`${name}: stacked parameters, sliced activations, the same logits`, async () => {
    const path = fileURLToPath(new URL(`../../fixtures/architecture/${name}.gguf`, import.meta.url));
    const checkpoint = await openCheckpoint(path);
    const run = async (pass: string): Promise<{ calls: number; logits: Float32Array[] }> => {
      const runner = await loadRunner(checkpoint, { ...small, pass });
      try {
        const { rows } = await runner.step([{ tokens: [5, 9, 2, 7], start: 0, blocks: [1], outputs: 3 }]);
        return { calls: runner.program.calls.length, logits: rows.map((r) => r.logits.slice()) };
      } finally {
        await runner.close();
      }
    };
    const [captured, rewritten] = [await run("none"), await run("taso")];
    assert.deepEqual(rewritten.logits, captured.logits);
    // Two layers: q, k and v become one product, and gate and up.
    assert.equal(captured.calls - rewritten.calls, 6);
    checkpoint.close();
  });
}
