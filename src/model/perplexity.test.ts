import assert from "node:assert/strict";
import { test } from "node:test";
import { draw } from "../core/random.ts";
import { perplexity } from "./perplexity.ts";
import { maximaBlock, type Runner, type StepSequence } from "./runner.ts";

const vocabulary = 300;

/** Logits that are a function of the token and its position, and what was asked. */
function fakeRunner(): { readonly runner: Runner; readonly steps: StepSequence[] } {
  const steps: StepSequence[] = [];
  const row = (token: number, position: number) => {
    const logits = logitsOf(token, position);
    const runs = [logits.subarray(0, maximaBlock), logits.subarray(maximaBlock)];
    const max = logits.reduce((a, b) => Math.max(a, b));
    return {
      logits,
      maxima: Float32Array.from(runs, (run) => run.reduce((a, b) => Math.max(a, b))),
      sums: Float32Array.from(runs, (run) => run.reduce((n, x) => n + Math.exp(x - max), 0)),
    };
  };
  const runner: Pick<Runner, "blockSize" | "blocks" | "context" | "tokensMax" | "rowsMax" | "step"> = {
    blockSize: 4,
    blocks: 8,
    context: 32,
    tokensMax: 5,
    rowsMax: 3,
    async step(sequences) {
      steps.push(...sequences);
      const rows = sequences.flatMap(({ tokens, start, outputs }) =>
        Array.from({ length: outputs }, (_, i) => tokens.length - outputs + i).map((i) => row(tokens[i]!, start + i)),
      );
      return { rows };
    },
  };
  return { runner: runner as Runner, steps };
}

const logitsOf = (token: number, position: number): Float32Array =>
  Float32Array.from({ length: vocabulary }, (_, v) => 4 * draw(token, position, v));

test("it is the exponential of the mean loss over each chunk's second half, after a beginning of sequence", async () => {
  const tokens = Array.from({ length: 41 }, (_, i) => (i * 37) % vocabulary);
  const { runner, steps } = fakeRunner();
  const result = await perplexity(runner, tokens, { context: 16, bos: 7 });
  let [sum, counted] = [0, 0];
  for (const start of [0, 16]) {
    const chunk = [7, ...tokens.slice(start + 1, start + 16)];
    for (let j = 8; j <= 14; j++, counted++) {
      const logits = logitsOf(chunk[j]!, j);
      sum += Math.log(logits.reduce((n, x) => n + Math.exp(x), 0)) - logits[chunk[j + 1]!]!;
    }
  }
  assert.deepEqual([result.chunks, result.counted], [2, counted]);
  assert.ok(Math.abs(result.perplexity / Math.exp(sum / counted) - 1) < 1e-6);
  // Every position is computed once, and no step exceeds the runner's limits.
  assert.equal(
    steps.reduce((n, { tokens: part }) => n + part.length, 0),
    2 * 15,
  );
  assert.ok(steps.every((s) => s.tokens.length <= 5 && s.outputs <= 3));
});

test("a text that is too short, or a context that does not fit, is the user's mistake", async () => {
  const { runner } = fakeRunner();
  await assert.rejects(perplexity(runner, [1, 2, 3], { context: 16, bos: 7 }), /at least 32 tokens.*has 3/);
  await assert.rejects(perplexity(runner, [1, 2, 3], { context: 64, bos: 7 }), /from 4 to 32/);
});
