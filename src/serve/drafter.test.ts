/** The draft model on a runner that reads back what was written where: how many steps it takes, and that company changes nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Runner, StepSequence } from "../model/runner.ts";
import { hashRunner } from "../test/hash-runner.ts";
import { type Asked, Drafter } from "./drafter.ts";

const lookup = { longest: 3, shortest: 1 };

function runner(steps: StepSequence[][], tokensMax = 64): Runner {
  const before = (sequences: readonly StepSequence[]) => void steps.push([...sequences]);
  return hashRunner({ blocks: 64, blockSize: 4, vocabulary: 258, context: 64, tokensMax, sequencesMax: 16, before });
}

/** A decoding sequence of six tokens that may have four guesses. */
function asked(request: number, table: readonly number[], temperature = 0): Asked {
  const tokens = [request, 2, 3, 4, 5, 6];
  const part = { request, choice: 0, start: 5, tokens: 1, table, sample: [0], drafts: 4 };
  return { part, tokens, sampling: { temperature, seed: request } };
}

const tableOf = (request: number) => [3 * request, 3 * request + 1, 3 * request + 2];

test("a step of the draft model is one more guess for every sequence", async () => {
  const steps: StepSequence[][] = [];
  const all = Array.from({ length: 8 }, (_, i) => asked(i, tableOf(i), i % 2));
  const together = await new Drafter(runner(steps), lookup).propose(all);
  assert.deepEqual(
    steps.map((step) => [step.length, step.reduce((n, s) => n + s.tokens.length, 0)]),
    [
      [8, 48],
      [8, 8],
      [8, 8],
      [8, 8],
    ],
  );
  for (const [i, one] of all.entries()) {
    const [alone] = await new Drafter(runner([]), lookup).propose([one]);
    assert.deepEqual(together[i]!.tokens, alone!.tokens);
    assert.deepEqual(
      together[i]!.distributions!.map((q, k) => q(together[i]!.tokens[k]!)),
      alone!.distributions!.map((q, k) => q(alone!.tokens[k]!)),
    );
  }
});

test("a step narrower than the pass takes what it holds, and the others follow", async () => {
  const steps: StepSequence[][] = [];
  const all = Array.from({ length: 5 }, (_, i) => asked(i, tableOf(i)));
  const narrow = await new Drafter(runner(steps, 7), lookup).propose(all);
  for (const step of steps) assert.ok(step.reduce((n, s) => n + s.tokens.length, 0) <= 7);
  const wide = await new Drafter(runner([]), lookup).propose(all);
  assert.deepEqual(
    narrow.map(({ tokens }) => tokens),
    wide.map(({ tokens }) => tokens),
  );
});

test("sequences that share blocks of a prompt compute it in turn, then go on together", async () => {
  const steps: StepSequence[][] = [];
  const shared = { ...asked(1, [0, 1, 2]), tokens: [1, 2, 3, 4, 5, 6] };
  const other = { ...shared, part: { ...shared.part, choice: 1, table: [0, 3, 4] } };
  // The runner fails where two sequences write one cell in one step.
  const proposals = await new Drafter(runner(steps), lookup).propose([shared, other]);
  assert.deepEqual(
    steps.map((step) => step.length),
    [1, 2, 2, 2, 1],
  );
  assert.deepEqual(proposals[0]!.tokens, proposals[1]!.tokens);
});

test("what was refused is computed again, what was accepted is not", async () => {
  const steps: StepSequence[][] = [];
  const drafter = new Drafter(runner(steps), lookup);
  const one = asked(1, [0, 1, 2, 3, 4]);
  const [first] = await drafter.propose([one]);
  drafter.settled(one.part, 2, 4);
  const tokens = [...one.tokens, ...first!.tokens.slice(0, 2), 99];
  steps.length = 0;
  await drafter.propose([{ ...one, tokens, part: { ...one.part, start: 8 } }]);
  assert.deepEqual([steps[0]![0]!.start, steps[0]![0]!.tokens], [8, [99]]);
});
