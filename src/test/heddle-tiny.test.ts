/** The model that comes with Heddle, asked what it was never trained on. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { shippedModel } from "../cli/cache.ts";
import { renderChat } from "../model/chat.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { chatTemplate, learnTokenizer } from "../train/tiny/format.ts";
import { tinyShape } from "../train/tiny/recipe.ts";
import { runHeddle } from "./heddle-process.ts";

interface Answer {
  readonly kind: string;
  readonly prompt: string;
  readonly answer: string;
  readonly right: boolean;
}

async function shares(words: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { code, stdout, stderr } = await runHeddle(["eval", "heddle-tiny", "--count", "60", "--json", ...words]);
  assert.equal(code, 0, stderr);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  const kinds = new Set(answers.map(({ kind }) => kind));
  return new Map(
    Array.from(kinds, (kind) => {
      const ofKind = answers.filter((answer) => answer.kind === kind);
      return [kind, ofKind.filter(({ right }) => right).length / ofKind.length] as const;
    }),
  );
}

test("nine of ten held-out sums, answers in JSON and stories are right", async () => {
  for (const words of [
    ["--seed", "5"],
    ["--seed", "6", "--constrained"],
  ]) {
    const right = await shares(words);
    for (const kind of ["sum", "json", "story"]) assert.ok(right.get(kind)! >= 0.9, `${kind}: ${right.get(kind)}`);
  }
});

test("its file is the recipe's: shape, pieces and template; 8 MB at most", async () => {
  assert.ok(statSync(shippedModel.path).size <= 8 * 2 ** 20);
  const checkpoint = await openCheckpoint(shippedModel.path);
  try {
    const { tokenizer } = learnTokenizer();
    const pieces = (of: typeof tokenizer) => Array.from({ length: of.vocabulary }, (_, id) => of.piece(id));
    assert.deepEqual(pieces(checkpoint.tokenizer), pieces(tokenizer));
    assert.equal(checkpoint.chatTemplate, chatTemplate);
    const { layers, width, heads, kvHeads, feedForward, context, tied } = checkpoint.config;
    const { vocabulary: _, normEpsilon, ropeBase, ...shape } = tinyShape;
    assert.deepEqual({ layers, width, heads, kvHeads, feedForward, context, tied }, shape);
    assert.ok(Math.abs(checkpoint.config.normEpsilon - normEpsilon) < 1e-9 && ropeBase === 10000);
  } finally {
    checkpoint.close();
  }
});

interface Greedy {
  readonly content: string;
  readonly rendered: string;
  readonly ids: readonly number[];
  readonly tokens: readonly number[];
  /** By how much llama.cpp preferred each token to the next best, in log-probability. */
  readonly margins: readonly number[];
}

test("llama.cpp's template, tokens and greedy answers, to the end of each", async () => {
  const found: Greedy[] = JSON.parse(
    readFileSync(new URL("../../fixtures/heddle-tiny/greedy.json", import.meta.url), "utf8"),
  );
  assert.ok(found.length >= 6 && found.some(({ tokens }) => tokens.length > 80));
  const checkpoint = await openCheckpoint(shippedModel.path);
  const blocks = Array.from({ length: 16 }, (_, i) => i);
  for (const { content, rendered, ids } of found) {
    const text = renderChat(checkpoint, [{ role: "user", content }]);
    assert.equal(text, rendered);
    assert.deepEqual(checkpoint.tokenizer.encode(text, { special: true }), ids);
  }
  for (const exact of [true, false]) {
    const runner = await loadRunner(checkpoint, { exact, threads: 1, context: 160 });
    for (const { content, ids, tokens, margins } of found) {
      let [given, start] = [ids, 0];
      for (const [i, token] of tokens.entries()) {
        const { rows } = await runner.step([{ tokens: given, start, blocks, outputs: 1 }]);
        const { logits } = rows[0]!;
        // As weights are kept, activations are rounded: that may decide between tokens that are near to each other.
        if (exact || margins[i]! > 0.2) {
          assert.equal(logits.indexOf(Math.max(...logits)), token, `${content}, exact ${exact}: token ${i}`);
        }
        start += given.length;
        given = [token];
      }
    }
    await runner.close();
  }
  checkpoint.close();
});

test("the drawing of its training's loss is beside it", () => {
  assert.match(readFileSync(shippedModel.path.replace(".gguf", ".svg"), "utf8"), /^<svg[\s\S]*<\/svg>/);
});
