import assert from "node:assert/strict";
import { test } from "node:test";
import { draw, stream } from "../../core/random.ts";
import { maximaBlock, type Row } from "../../model/runner.ts";
import { createFakeService } from "../../test/fake-service.ts";
import { hashRunner } from "../../test/hash-runner.ts";
import { collect } from "../../test/serve-rig.ts";
import { accept } from "../acceptance.ts";
import { lookUp } from "../drafter.ts";
import type { LogLine } from "../log.ts";
import { RowSampler } from "../sampler.ts";
import { openService } from "../service.ts";
import speculative from "./speculative-decoding.ts";

const policy = speculative.create({ draftTokens: 4, lookupLongest: 3, lookupShortest: 1 });
const sequence = (tokensLeft: number) => ({ request: 1, choice: 0, tokensLeft, proposed: 0, accepted: 0 });

test("γ guesses for each sequence, none beyond its end or the pass", () => {
  assert.deepEqual(policy.drafts({ sequences: [sequence(100), sequence(3), sequence(1)], tokensLeft: 64 }), [4, 2, 0]);
  assert.deepEqual(policy.drafts({ sequences: [sequence(100), sequence(100)], tokensLeft: 5 }), [4, 1]);
});

test("a look-up gives what followed the latest longest match", () => {
  assert.deepEqual(lookUp([1, 2, 3, 9, 2, 3, 7, 5, 1, 2, 3], 2, 3, 1), [9, 2]);
  assert.deepEqual(lookUp([4, 3, 9, 2, 3, 7, 5, 3], 2, 3, 1), [7, 5]);
  assert.deepEqual(lookUp([1, 2, 3], 4, 3, 1), []);
});

/** A row over six tokens. */
function rowOf(logits: readonly number[]): Row {
  const max = Math.max(...logits);
  const sum = logits.reduce((n, x) => n + Math.exp(x - max), 0);
  assert.ok(logits.length <= maximaBlock);
  return { logits: Float32Array.from(logits), maxima: Float32Array.of(max), sums: Float32Array.of(sum) };
}

test("the output is distributed as the target, whatever the draft: χ² at 1 in 10,000", () => {
  const target = [0.3, 2, -1, 1.2, 0, 0.9];
  const weights = target.map((x) => Math.exp(x));
  const p = weights.map((w) => w / weights.reduce((a, b) => a + b, 0));
  const sampling = { temperature: 1, seed: 0 };
  for (const q of [[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.01, 0.95, 0.01, 0.01, 0.01, 0.01], p]) {
    const counts = new Array<number>(6).fill(0);
    let kept = 0;
    const n = 20_000;
    for (let i = 0; i < n; i++) {
      const random = stream(7, i);
      let u = random();
      const guess = Math.max(
        0,
        q.findIndex((x) => (u -= x) < 0),
      );
      const sampler = new RowSampler(rowOf(target), sampling, { produced: new Map(), prompt: new Set() });
      const token = accept(
        sampler,
        guess,
        (t) => q[t]!,
        (k) => draw(11, i, k),
      );
      counts[token]!++;
      if (token === guess) kept++;
    }
    const chi = counts.reduce((s, c, t) => s + (c - n * p[t]!) ** 2 / (n * p[t]!), 0);
    assert.ok(chi < 25.7, `χ² is ${chi} with 5 degrees of freedom`);
    // Theorem 3.5: guesses are accepted with probability Σ min(p, q).
    const alpha = p.reduce((s, x, t) => s + Math.min(x, q[t]!), 0);
    assert.ok(kept / n >= alpha - 0.02, `${kept / n} kept, ${alpha} expected`);
  }
});

test("greedy: a guess is kept exactly when it is the largest logit", () => {
  const sampler = () =>
    new RowSampler(rowOf([0, 3, 1]), { temperature: 0, seed: 0 }, { produced: new Map(), prompt: new Set() });
  for (const guess of [0, 1, 2])
    assert.equal(
      accept(
        sampler(),
        guess,
        () => 1,
        () => 0.5,
      ),
      1,
    );
});

test("a pass gives as many tokens as the paper's formula says of the share of guesses that agree", async () => {
  const sizes = { blocks: 64, blockSize: 4, vocabulary: 258, context: 128 };
  const log: LogLine[] = [];
  const service = await openService({
    checkpoint: createFakeService().checkpoint,
    runner: hashRunner(sizes),
    draft: hashRunner({ ...sizes, seed: 9 }),
    ...{ batching: "orca", kvCache: "pagedattention", speculation: "speculative-decoding" },
    observe: (line) => log.push(line),
  });
  const asked = { choices: 1, tokensMax: 100, sampling: { temperature: 0, seed: 1 }, stop: [], ignoreEos: true };
  for (let i = 0; i < 12; i++) await collect(service, { ...asked, prompt: [i, 2, 3] });
  await service.close();
  const verified = log
    .flatMap((line) => (line.kind === "done" ? line.produced : []))
    .filter(({ drafted, ended }) => drafted === 4 && !ended);
  const accepted = verified.reduce((n, { tokens }) => n + tokens - 1, 0);
  const refused = verified.filter(({ tokens }) => tokens < 5).length;
  const alpha = accepted / (accepted + refused);
  const expected = (1 - alpha ** 5) / (1 - alpha);
  const measured = accepted / verified.length + 1;
  assert.ok(alpha > 0.4 && alpha < 0.9, `${alpha}`);
  assert.ok(Math.abs(measured / expected - 1) < 0.03, `${measured} tokens a pass, ${expected} by equation (1)`);
});
