/** The model that comes with Heddle, asked what it was never trained on. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { shippedModel } from "../cli/cache.ts";
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

test("the drawing of its training's loss is beside it", () => {
  assert.match(readFileSync(shippedModel.path.replace(".gguf", ".svg"), "utf8"), /^<svg[\s\S]*<\/svg>/);
});
