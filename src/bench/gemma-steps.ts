/** Gemma 3 270M as benches run it: steps of a runner without a server, timed. */
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Loaded, LoadOptions } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { weightBytes } from "../model/weight-type.ts";
import { gemmaFile } from "../test/gemma.ts";
import type { Bench } from "./terms.ts";

export { gemmaFile } from "../test/gemma.ts";
export const openGemma = (): Promise<Checkpoint> => openCheckpoint(gemmaFile);

/** Tokens that mean nothing, different for each seed. */
export const tokensOf = (count: number, seed = 0): number[] =>
  Array.from({ length: count }, (_, i) => 1000 + ((7 * i + 12_289 * seed) % 200_000));

export const loadOf = ({ level }: Bench, threads: number, context: number): LoadOptions => ({
  threads,
  context,
  ...(level !== undefined && { level }),
});

/** The blocks of sequence `i` of those that each take `positions`. */
export function blocksOf(runner: Loaded, positions: number, i = 0): number[] {
  const each = Math.ceil(positions / runner.blockSize);
  return Array.from({ length: each }, (_, b) => i * each + b);
}

/** Computes a prompt in as few steps as the runner allows, with the last token's logits; gives the seconds. */
export async function prefill(runner: Loaded, tokens: readonly number[], blocks: readonly number[]): Promise<number> {
  const began = performance.now();
  for (let start = 0; start < tokens.length; start += runner.tokensMax) {
    const part = tokens.slice(start, start + runner.tokensMax);
    const outputs = start + part.length === tokens.length ? 1 : 0;
    await runner.step([{ tokens: part, start, blocks, outputs }]);
  }
  return (performance.now() - began) / 1000;
}

/** Decodes `steps` tokens of each sequence, together, from position `start` on; gives the seconds. */
export async function decode(
  runner: Loaded,
  sequences: readonly (readonly number[])[],
  start: number,
  steps: number,
): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < steps; i++) {
    await runner.step(
      sequences.map((blocks, s) => ({ tokens: [1000 + 97 * s + i], start: start + i, blocks, outputs: 1 })),
    );
  }
  return (performance.now() - began) / 1000;
}

/** What a decoding step must read: each weight once, and the keys and values of the positions it sees, as f16. */
export function stepBytes({ config, tensors }: Checkpoint, positions: number, sequences = 1): number {
  let weights = 0;
  for (const { type, shape } of tensors.values())
    weights += weightBytes(
      type,
      shape.reduce((a, b) => a * b, 1),
    );
  const seen = config.windows.reduce<number>((sum, window) => sum + Math.min(positions, window ?? positions), 0);
  return weights + sequences * seen * 2 * config.kvHeads * config.headWidth * 2;
}

/** Multiplications and additions of a prompt's products: all matrices for each token, but the vocabulary's for the last alone. */
export function prefillOperations({ config, tensors }: Checkpoint, tokens: number): number {
  let inner = 0;
  for (const { shape } of tensors.values()) {
    if (shape.length === 2 && shape[0] !== config.vocabulary) inner += shape[0]! * shape[1]!;
  }
  return 2 * (inner * tokens + config.vocabulary * config.width);
}
