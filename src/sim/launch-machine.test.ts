/** Every launch policy gives the same bits, on every level, whatever the threads, and in steps of every kind. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { launches } from "../compile/launch.ts";
import { levels, openDevice } from "../device/open.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { openLevels } from "../test/kernel-rig.ts";
import { openBranchy } from "./launch-machine.ts";

const { devices } = await openLevels();
const available = levels.filter((level) => devices.some((d) => d.level === level));
after(async () => {
  for (const device of devices) await device.close();
});

for (const level of available) {
  for (const threads of level === "reference" ? [1] : [1, 3]) {
    test(`branches on ${threads} threads of ${level}, thirty times over`, async () => {
      const device = await openDevice(level, { threads, scratchBytes: 1 << 16 });
      try {
        const outputs: Float32Array[] = [];
        for (const id of launches.ids()) {
          const branchy = await openBranchy(device, { cells: 2, blocks: 4, width: 64 }, id);
          for (let i = 0; i < 30; i++) outputs.push(await branchy.step());
          branchy.close();
        }
        for (const output of outputs) assert.deepEqual(output, outputs[0]);
        assert.ok(outputs[0]!.some((x) => x !== 0) && outputs[0]!.every(Number.isFinite));
      } finally {
        await device.close();
      }
    });
  }

  test(`a model on ${level}: prompts without output, chunks, single tokens`, async () => {
    const logits = [];
    const checkpoint = await openCheckpoint(new URL("../../fixtures/architecture/gemma3/", import.meta.url).pathname);
    for (const launch of launches.ids()) {
      const shape = { tokensMax: 64, rowsMax: 4, sequencesMax: 4, blocks: 12, context: 64 };
      const runner = await loadRunner(checkpoint, { ...shape, threads: 2, level, launch });
      const rows: number[] = [];
      let start = 0;
      for (const [count, outputs] of [
        [5, 0],
        [7, 1],
        [1, 1],
        [13, 4],
        [1, 1],
      ] as const) {
        const tokens = Array.from({ length: count }, (_, i) => (7 * (start + i)) % 50);
        const result = await runner.step([{ tokens, start, blocks: [7, 2, 11, 0], outputs }]);
        for (const row of result.rows) rows.push(...row.logits, ...row.sums);
        start += count;
      }
      logits.push(rows);
      await runner.close();
    }
    checkpoint.close();
    for (const rows of logits) assert.deepEqual(rows, logits[0]);
  });
}
