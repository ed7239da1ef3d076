/**
 * Perplexity of a text, counted as llama-perplexity counts it, so that figures can be compared.
 *
 * The tokens are cut into whole chunks of `context`; each chunk's first token is replaced by the beginning of sequence, and
 * only predictions made from its second half on count: every one of them has at least half a context to go by.
 */
import { UserError } from "../core/errors.ts";
import type { Row, Runner } from "./runner.ts";

export interface PerplexityOptions {
  /** Tokens of a chunk. */
  readonly context: number;
  /** Replaces each chunk's first token, where the model has one. */
  readonly bos: number | undefined;
  /** Called after each chunk with the perplexity so far. */
  readonly observe?: (chunk: number, chunks: number, perplexity: number) => void;
}

export interface Perplexity {
  readonly perplexity: number;
  readonly chunks: number;
  /** Predicted tokens. */
  readonly counted: number;
}

/** `tokens` are those of the text, the beginning of sequence in front. Throws a `UserError` below two chunks. */
export async function perplexity(
  runner: Runner,
  tokens: readonly number[],
  { context, bos, observe }: PerplexityOptions,
): Promise<Perplexity> {
  const chunks = Math.floor(tokens.length / context);
  check(runner, tokens.length, context);
  let sum = 0;
  let counted = 0;
  for (let c = 0; c < chunks; c++) {
    const chunk = tokens.slice(c * context, (c + 1) * context);
    if (bos !== undefined) chunk[0] = bos;
    sum += await chunkLoss(runner, chunk);
    counted += context - 1 - Math.floor(context / 2);
    observe?.(c + 1, chunks, Math.exp(sum / counted));
  }
  return { perplexity: Math.exp(sum / counted), chunks, counted };
}

function check(runner: Runner, tokens: number, context: number): void {
  const room = Math.min(runner.context, runner.blocks * runner.blockSize);
  if (!Number.isInteger(context) || context < 4 || context > room) {
    throw new UserError(
      `Perplexity at a context of ${context}: it must be a whole number from 4 to ${room}.`,
      "Choose another with --context.",
    );
  }
  if (tokens >= 2 * context) return;
  throw new UserError(
    `Perplexity at a context of ${context} needs at least ${2 * context} tokens, two chunks; the text has ${tokens}.`,
    "Give a longer text or a smaller --context.",
  );
}

/** Sum of the negative log-likelihoods of the second half's tokens. */
async function chunkLoss(runner: Runner, chunk: readonly number[]): Promise<number> {
  const blocks = Int32Array.from({ length: Math.ceil(chunk.length / runner.blockSize) }, (_, i) => i);
  const half = Math.floor(chunk.length / 2);
  for (let start = 0; start < half; start += runner.tokensMax) {
    const piece = chunk.slice(start, Math.min(half, start + runner.tokensMax));
    await runner.step([{ tokens: piece, start, blocks, outputs: 0 }]);
  }
  const rowsMax = Math.min(runner.rowsMax, runner.tokensMax);
  let loss = 0;
  for (let start = half; start < chunk.length - 1; start += rowsMax) {
    const piece = chunk.slice(start, Math.min(chunk.length - 1, start + rowsMax));
    const { rows } = await runner.step([{ tokens: piece, start, blocks, outputs: piece.length }]);
    for (const [i, row] of rows.entries()) loss += logSumExp(row) - row.logits[chunk[start + i + 1]!]!;
  }
  return loss;
}

/** The row's sums are taken about its maximum, at temperature 1. */
function logSumExp({ maxima, sums }: Row): number {
  const max = maxima.reduce((a, b) => Math.max(a, b));
  return max + Math.log(sums.reduce((a, b) => a + b, 0));
}
