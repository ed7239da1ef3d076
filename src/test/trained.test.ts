/** Models that `heddle train` made: llama.cpp loads them, and tokenizes and continues the same prompts as Heddle does. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Loaded, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";

const folder = new URL("../../fixtures/trained/", import.meta.url);
const names = readdirSync(folder).flatMap((name) => (name.endsWith(".gguf") ? [name.slice(0, -".gguf".length)] : []));

interface Continuation {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly tokens: readonly number[];
  /** By how much llama.cpp preferred each token to the next best, in log-probability. */
  readonly margins: readonly number[];
}

/** Roundings may decide between tokens that are nearer to each other. */
const nearest = 0.1;

test("there is a model of each way that weights are written", () => {
  assert.deepEqual(names, ["f16", "f32", "q8_0"]);
});

for (const name of names) {
  test(`${name}: llama.cpp's tokens, and its greedy continuations, as the weights are kept and in exact mode`, async () => {
    const checkpoint = await openCheckpoint(new URL(`${name}.gguf`, folder).pathname);
    const found: Continuation[] = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));
    for (const { prompt, ids } of found) assert.deepEqual(checkpoint.tokenizer.encode(prompt), ids, prompt);
    for (const exact of [false, true]) {
      const runner = await loadRunner(checkpoint, { exact, threads: 1, context: 64 });
      for (const one of found) await continues(runner, one);
      await runner.close();
    }
    checkpoint.close();
  });
}

async function continues(runner: Loaded, { prompt, ids, tokens, margins }: Continuation): Promise<void> {
  const blocks = [0, 1, 2, 3];
  let given = ids;
  for (let i = 0, start = 0; i < tokens.length && ids.length + i < 64; i++) {
    const { rows } = await runner.step([{ tokens: given, start, blocks, outputs: 1 }]);
    const { logits } = rows[0]!;
    const best = logits.indexOf(Math.max(...logits));
    if (margins[i]! > nearest) assert.equal(best, tokens[i], `${prompt}: token ${i}`);
    start += given.length;
    given = [tokens[i]!];
  }
}
