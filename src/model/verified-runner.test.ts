/** The check of generated code: what it compares, when, and that a wrong bit does not pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { levels } from "../device/open.ts";
import { hashRunner } from "../test/hash-runner.ts";
import { noiseFile } from "../test/heddle-process.ts";
import { loadRunner } from "./load.ts";
import { openCheckpoint } from "./open.ts";
import type { StepSequence } from "./runner.ts";
import { verified } from "./verified-runner.ts";

const size = { blocks: 8, blockSize: 4, vocabulary: 50, context: 32 };

/** A pair of runners that agree, whose second counts its steps. */
function pair(options: { readonly seed?: number; readonly blocks?: number } = {}) {
  const checked: number[] = [];
  const before = (sequences: readonly StepSequence[]) => void checked.push(sequences.length);
  return { runner: verified(hashRunner(size), hashRunner({ ...size, ...options, before })), checked };
}

const prompt: StepSequence = { tokens: [1, 2, 3, 4, 5], start: 0, blocks: [6, 2], outputs: 1 };

test("the first step of each class is computed twice, from the same cache, wherever its blocks lie", async () => {
  const { runner, checked } = pair({ blocks: 2 });
  await runner.step([prompt]);
  assert.deepEqual(checked, [1]);
  // The reference has not seen the prompt under these blocks: it gets them with the step.
  for (let i = 0; i < 2; i++) await runner.step([{ ...prompt, tokens: [9], start: 5 + i }]);
  assert.deepEqual(checked, [1, 1], "two steps of one token are one class");
  await runner.step([{ ...prompt, tokens: [7], start: 7, outputs: 0 }]);
  assert.equal(checked.length, 3, "no rows is a class of its own");
});

test("a row that differs in one bit does not reach the caller", async () => {
  const { runner } = pair({ seed: 1 });
  const failed = runner.step([prompt]);
  await assert.rejects(
    failed,
    /bug: generated code differs from the reference in a step of 8 tokens, 1 rows: row 0, logits at \d+/,
  );
});

test("so does a cache that differs", async () => {
  const spoiled = new Proxy(hashRunner(size), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "readBlock") return value.bind(target);
      return (block: number, into: Uint8Array): void => {
        target.readBlock(block, into);
        into[5]! ^= 1;
      };
    },
  });
  await assert.rejects(verified(hashRunner(size), spoiled).step([prompt]), /cache block 6 at 1/);
});

test("an embedding of each class is computed twice, and one that differs does not reach the caller", async () => {
  const { runner } = pair();
  const tokens = [3, 1, 4, 1, 5];
  assert.deepEqual(await runner.embed(tokens, [4, 5]), await hashRunner(size).embed(tokens, [0, 1]));
  const wrong = pair({ seed: 1 }).runner;
  await assert.rejects(wrong.embed(tokens, [4, 5]), /differs from the reference in an embedding of 8 tokens at 0/);
  await wrong.embed([3, 1, 4, 1, 5, 9], [4, 5]);
});

test("a step for which the reference has no room waits for a smaller one of its class", async () => {
  const { runner, checked } = pair({ blocks: 1 });
  await runner.step([prompt]);
  assert.deepEqual(checked, []);
  await runner.step([{ tokens: [1, 2, 3, 4], start: 0, blocks: [0], outputs: 1 }]);
  assert.deepEqual(checked, [1]);
});

test("each level's code for a whole model gives the reference's bits, for a prompt, a token and a batch", async () => {
  const checkpoint = await openCheckpoint(noiseFile);
  for (const level of levels) {
    const options = { level, blocks: 8, context: 64, verify: true } as const;
    const runner = await loadRunner(checkpoint, options).catch(() => undefined);
    if (runner === undefined) continue;
    await runner.step([{ tokens: [5, 6, 7, 8, 9], start: 0, blocks: [3], outputs: 1 }]);
    await runner.step([{ tokens: [5], start: 5, blocks: [3], outputs: 1 }]);
    await runner.step([
      { tokens: [4], start: 6, blocks: [3], outputs: 1 },
      { tokens: [1, 2], start: 0, blocks: [1], outputs: 2 },
    ]);
    await runner.embed([5, 6, 7], [2]);
    await runner.close();
  }
  checkpoint.close();
});
