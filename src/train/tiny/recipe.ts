/**
 * The recipe of heddle-tiny: all that its file is a function of.
 *
 *     examples ──► tokenizer
 *        └──► rows of tokens ──► steps ──► parameters ──► GGUF, with tokenizer and chat template
 */
import { configOf, type DecoderShape } from "../model/shape.ts";
import type { ModelStepOptions, TokenBatch } from "../model-step.ts";
import type { BatchSource } from "../step.ts";
import { evenly, mostlyStories, type Part } from "./examples.ts";
import type { LearntTokenizer } from "./format.ts";
import { rowsAt } from "./rows.ts";

export const tinyName = "heddle-tiny";
const seed = 1;
const length = 160;
const batch = 8;

export const tinyShape: DecoderShape = {
  layers: 4,
  width: 160,
  heads: 5,
  kvHeads: 5,
  feedForward: 448,
  vocabulary: 2048,
  context: length,
  normEpsilon: 1e-5,
  ropeBase: 10000,
  tied: true,
};

export const tinySteps = 24000;
/** Steps of the first half, in which all is learnt evenly; then the rate begins anew, and stories come most. */
const evenSteps = 12000;
export const tokensOfStep = batch * length;

export function tinyStep(steps: number): ModelStepOptions {
  const peak = 1.5e-3;
  return {
    config: configOf(tinyShape),
    batch,
    length,
    accumulate: 1,
    bf16: true,
    optimizer: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, clip: 1 },
    schedule: {
      kind: "cosine",
      peak,
      last: peak / 20,
      warmup: 100,
      steps,
      restarts: [evenSteps].filter((at) => at < steps),
    },
    seed,
  };
}

/** The batches of a part from `position` on. */
export function tinyBatches(
  { tokenizer }: LearntTokenizer,
  part: Part,
  position: number,
): BatchSource<readonly TokenBatch[]> {
  let at = position;
  return {
    get position() {
      return at;
    },
    async next() {
      const mixture = at < evenSteps ? evenly : mostlyStories;
      return [rowsAt(tokenizer, { part, seed, first: at++ * batch, rows: batch, length, mixture })];
    },
    async close() {},
  };
}
