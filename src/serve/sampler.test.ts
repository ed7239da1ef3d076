/** The sampler against sorting the whole vocabulary, which it never does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, stream } from "../core/random.ts";
import { maximaBlock, type Row } from "../model/runner.ts";
import type { Sampling } from "./generation.ts";
import { type History, logprobs, RowSampler } from "./sampler.ts";

const vocabulary = 256 * 7 + 31;
const nothing: History = { produced: new Map(), prompt: new Set() };

function logitsOf(random: Random): Float32Array {
  return Float32Array.from({ length: vocabulary }, () => 12 * (random() + random() + random() - 1.5));
}

function rowOf(logits: Float32Array, temperature: number): Row {
  const runs = Math.ceil(vocabulary / maximaBlock);
  const part = (i: number) => logits.subarray(i * maximaBlock, (i + 1) * maximaBlock);
  const maxima = Float32Array.from({ length: runs }, (_, i) => Math.max(...part(i)));
  const max = Math.max(...maxima);
  const sums = Float32Array.from({ length: runs }, (_, i) =>
    part(i).reduce((s, x) => s + Math.exp((x - max) / temperature), 0),
  );
  return { logits: logits.slice(), maxima, sums };
}

/** The distribution by the book: every token, sorted. */
function plain(logits: Float32Array, sampling: Sampling, { produced, prompt }: History): Map<number, number> {
  const { temperature, topK = 0, topP = 1, minP = 0 } = sampling;
  const adjusted = Array.from(logits, (x, t) => {
    const seen = produced.has(t) || prompt.has(t);
    const repeated = seen ? (x > 0 ? x / (sampling.repetitionPenalty ?? 1) : x * (sampling.repetitionPenalty ?? 1)) : x;
    const count = produced.get(t) ?? 0;
    const penalty = count > 0 ? (sampling.presencePenalty ?? 0) + count * (sampling.frequencyPenalty ?? 0) : 0;
    return repeated - penalty + (sampling.logitBias?.get(t) ?? 0);
  });
  let order = adjusted.map((_, t) => t).sort((a, b) => adjusted[b]! - adjusted[a]! || a - b);
  if (topK > 0) order = order.slice(0, topK);
  const best = adjusted[order[0]!]!;
  const weight = (t: number): number => Math.exp((adjusted[t]! - best) / temperature);
  const total = order.reduce((s, t) => s + weight(t), 0);
  let mass = 0;
  const kept = order.filter((t, i) => {
    const keep = i === 0 || ((topP >= 1 || mass < topP * total) && weight(t) >= minP);
    mass += weight(t);
    return keep;
  });
  const left = kept.reduce((s, t) => s + weight(t), 0);
  return new Map(kept.map((t) => [t, weight(t) / left]));
}

const settings: Readonly<Record<string, Omit<Sampling, "seed">>> = {
  plain: { temperature: 1 },
  cold: { temperature: 0.2 },
  "top-k": { temperature: 1, topK: 40 },
  "top-p": { temperature: 1, topP: 0.8 },
  "top-p of nearly all": { temperature: 2, topP: 0.999 },
  "min-p": { temperature: 1, minP: 0.05 },
  together: { temperature: 0.7, topK: 100, topP: 0.9, minP: 0.02 },
  "top-k beyond the vocabulary": { temperature: 1, topK: 100_000 },
  penalties: { temperature: 1, presencePenalty: 1.5, frequencyPenalty: 0.3, repetitionPenalty: 1.3 },
  biases: {
    temperature: 1,
    logitBias: new Map([
      [5, 100],
      [300, -100],
      [1800, 4],
    ]),
  },
  "a ban of the best": {
    temperature: 1,
    logitBias: new Map([
      [0, -100],
      [1, -100],
      [2, -100],
    ]),
    topP: 0.5,
  },
};

for (const [name, setting] of Object.entries(settings)) {
  test(`${name}: probabilities are those of a sort, and draws fall where they say`, () => {
    for (let seed = 0; seed < 5; seed++) {
      const random = stream(seed);
      const logits = logitsOf(random);
      const sampling = { ...setting, seed };
      const history: History = {
        produced: new Map([
          [5, 2],
          [700, 1],
          [logits.indexOf(Math.max(...logits)), 3],
        ]),
        prompt: new Set([9, 700, 1500]),
      };
      const expected = plain(logits, sampling, history);
      const sampler = new RowSampler(rowOf(logits, sampling.temperature), sampling, history);
      for (let t = 0; t < vocabulary; t += 1) {
        const p = expected.get(t) ?? 0;
        assert.ok(
          Math.abs(sampler.probability(t) - p) < 1e-4 * p + 1e-7,
          `token ${t}: ${sampler.probability(t)}, not ${p}`,
        );
      }
      for (let i = 0; i < 200; i++) assert.ok((expected.get(sampler.sample(random())) ?? 0) > 0);
      assert.ok((expected.get(sampler.sample(0)) ?? 0) > 0 && (expected.get(sampler.sample(1 - 2 ** -32)) ?? 0) > 0);
    }
  });
}

test("greedy takes the lowest of equals, and what is removed is never drawn", () => {
  const logits = new Float32Array(vocabulary);
  logits[600] = logits[300] = 5;
  const sampler = new RowSampler(rowOf(logits, 1), { temperature: 0, seed: 0 }, nothing);
  assert.equal(sampler.greedy(), 300);
  sampler.remove([300]);
  assert.equal(sampler.greedy(), 600);
  sampler.remove(logits.keys());
  assert.equal(sampler.exhausted, true);
});

test("removing and drawing again is the distribution without what was removed", () => {
  const random = stream(3);
  const logits = logitsOf(random);
  const sampler = new RowSampler(rowOf(logits, 1), { temperature: 1, seed: 0 }, nothing);
  const best = sampler.greedy();
  const before = sampler.probability((best + 1) % vocabulary);
  const lost = sampler.probability(best);
  sampler.remove([best]);
  assert.equal(sampler.probability(best), 0);
  assert.ok(Math.abs(sampler.probability((best + 1) % vocabulary) - before / (1 - lost)) < 1e-5);
});

test("log-probabilities and the best of them", () => {
  const logits = logitsOf(stream(8));
  const { own, top } = logprobs(rowOf(logits, 1), 77, 5);
  const norm = Math.log(logits.reduce((s, x) => s + Math.exp(x), 0));
  assert.ok(Math.abs(own - (logits[77]! - norm)) < 1e-4);
  const best = Array.from(logits.keys())
    .sort((a, b) => logits[b]! - logits[a]!)
    .slice(0, 5);
  assert.deepEqual(
    top.map(([t]) => t),
    best,
  );
});
