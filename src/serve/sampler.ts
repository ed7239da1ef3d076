/**
 * Choosing a token from a row of logits without walking the vocabulary.
 *
 * The device has reduced each run of 256 logits to its maximum and its share of the softmax. So the largest logit is found
 * among the maxima, a plain sample walks shares and then one run, and the candidates of top-k, top-p and min-p are pulled
 * run by run, best first. Penalties and biases touch few tokens: their runs are reduced again.
 */
import { maximaBlock, type Row } from "../model/runner.ts";
import type { Sampling } from "./generation.ts";

/** What the sequence has read and written so far, for penalties. */
export interface History {
  /** How often each token was produced. */
  readonly produced: ReadonlyMap<number, number>;
  readonly prompt: ReadonlySet<number>;
}

interface Candidates {
  readonly tokens: readonly number[];
  /** Not normalised. */
  readonly weights: readonly number[];
  readonly total: number;
}

export class RowSampler {
  readonly #row: Row;
  readonly #sampling: Sampling;
  readonly #temperature: number;
  #max: number;
  #candidates: Candidates | undefined;

  /** Applies penalties and biases to the row in place. */
  constructor(row: Row, sampling: Sampling, history: History) {
    this.#row = row;
    this.#sampling = sampling;
    this.#temperature = sampling.temperature > 0 ? sampling.temperature : 1;
    this.#max = largest(row.maxima);
    for (const [token, logit] of adjusted(row.logits, sampling, history)) row.logits[token] = logit;
    this.#reduceAgain(touched(sampling, history));
  }

  /** Recomputes the maximum and the share of runs whose logits have changed. */
  #reduceAgain(tokens: Iterable<number>): void {
    const runs = new Set<number>();
    for (const token of tokens) runs.add(Math.floor(token / maximaBlock));
    if (runs.size === 0) return;
    const { maxima, sums } = this.#row;
    for (const run of runs) maxima[run] = largest(this.#values(run));
    const max = largest(maxima);
    const shift = max - this.#max;
    if (Math.abs(shift) > 20 * this.#temperature) {
      // The old sums are relative to another maximum, and may have lost what counts now.
      for (let run = 0; run < sums.length; run++) runs.add(run);
    } else if (shift !== 0) {
      const factor = Math.exp(-shift / this.#temperature);
      for (let run = 0; run < sums.length; run++) sums[run] = sums[run]! * factor;
    }
    this.#max = max;
    for (const run of runs) {
      let sum = 0;
      for (const logit of this.#values(run)) sum += this.#weight(logit);
      sums[run] = sum;
    }
    this.#candidates = undefined;
  }

  #values(run: number): Float32Array {
    return this.#row.logits.subarray(run * maximaBlock, (run + 1) * maximaBlock);
  }

  #weight = (logit: number): number => Math.exp((logit - this.#max) / this.#temperature);

  /** The largest logit; of equals the lowest token. */
  greedy(): number {
    const { maxima } = this.#row;
    let best = 0;
    for (let run = 1; run < maxima.length; run++) if (maxima[run]! > maxima[best]!) best = run;
    return best * maximaBlock + this.#values(best).indexOf(maxima[best]!);
  }

  /** The token at `u`, 0 ≤ u < 1, of the cumulative distribution; greedy at temperature 0. */
  sample(u: number): number {
    if (this.#sampling.temperature === 0) return this.greedy();
    const { tokens, weights, total } = this.#narrowed() ?? { tokens: undefined, weights: [], total: this.#total() };
    let left = u * total;
    if (tokens !== undefined) {
      const i = weights.findIndex((w) => (left -= w) < 0);
      return tokens[i === -1 ? tokens.length - 1 : i]!;
    }
    const { sums } = this.#row;
    let last = this.greedy();
    for (let run = 0; run < sums.length; run++) {
      if (left >= sums[run]!) {
        left -= sums[run]!;
        continue;
      }
      for (const [i, logit] of this.#values(run).entries()) {
        const weight = this.#weight(logit);
        if (weight > 0) last = run * maximaBlock + i;
        left -= weight;
        if (left < 0) return last;
      }
    }
    return last;
  }

  /** The probability with which `sample` gives the token. */
  probability(token: number): number {
    if (this.#sampling.temperature === 0) return token === this.greedy() ? 1 : 0;
    const narrowed = this.#narrowed();
    if (narrowed === undefined) return this.#weight(this.#row.logits[token]!) / this.#total();
    const i = narrowed.tokens.indexOf(token);
    return i === -1 ? 0 : narrowed.weights[i]! / narrowed.total;
  }

  /** What is left is distributed as before. */
  remove(tokens: Iterable<number>): void {
    const all = [...tokens];
    for (const token of all) this.#row.logits[token] = Number.NEGATIVE_INFINITY;
    this.#reduceAgain(all);
  }

  /** False where the model gave no numbers to choose by: its weights hold none, or it has overflowed. */
  get hasNumbers(): boolean {
    return !Number.isNaN(this.#row.logits[this.greedy()] ?? Number.NaN);
  }

  get exhausted(): boolean {
    return this.#max === Number.NEGATIVE_INFINITY;
  }

  #total = (): number => this.#row.sums.reduce((a, b) => a + b, 0);

  #narrowed(): Candidates | undefined {
    const { topK = 0, topP = 1, minP = 0 } = this.#sampling;
    if (topK <= 0 && topP >= 1 && minP <= 0) return undefined;
    this.#candidates ??= this.#narrow(topK, topP, minP);
    return this.#candidates;
  }

  /** top-k, then top-p of what it left, then min-p. At least one token stays. */
  #narrow(topK: number, topP: number, minP: number): Candidates {
    const floor = minP > 0 ? this.#max + this.#temperature * Math.log(minP) : Number.NEGATIVE_INFINITY;
    let tokens: number[];
    if (topK > 0) {
      const best = this.#best(topK);
      tokens = topP < 1 ? this.#until(best, topP * this.#mass(best)) : best;
    } else {
      tokens = topP < 1 ? this.#nucleus(topP * this.#total()) : this.#above(floor);
    }
    const { logits } = this.#row;
    const kept = minP > 0 ? tokens.filter((t) => logits[t]! >= floor) : tokens;
    const weights = kept.map((t) => this.#weight(logits[t]!));
    return { tokens: kept, weights, total: weights.reduce((a, b) => a + b, 0) };
  }

  #mass = (tokens: readonly number[]): number => {
    let mass = 0;
    for (const token of tokens) mass += this.#weight(this.#row.logits[token]!);
    return mass;
  };

  /** Tokens of at least this logit, in their own order. */
  #above(threshold: number): number[] {
    const { maxima } = this.#row;
    const found: number[] = [];
    for (let run = 0; run < maxima.length; run++) {
      if (maxima[run]! < threshold) continue;
      const values = this.#values(run);
      for (let i = 0; i < values.length; i++) if (values[i]! >= threshold) found.push(run * maximaBlock + i);
    }
    return found;
  }

  /** The largest logit first, of equals the lowest token. */
  #ranked(tokens: readonly number[]): number[] {
    const { logits } = this.#row;
    return tokens.toSorted((a, b) => logits[b]! - logits[a]! || a - b);
  }

  /** The best `count` tokens, best first: at least so many runs have a maximum that reaches the `count`-th largest. */
  #best(count: number): number[] {
    const sorted = Float32Array.from(this.#row.maxima).sort();
    let threshold = sorted[Math.max(0, sorted.length - count)]!;
    // Fewer runs than tokens asked for: lower until enough are found.
    for (let step = 4; ; step *= 2) {
      const found = this.#above(threshold);
      if (found.length >= count || threshold === Number.NEGATIVE_INFINITY) return this.#ranked(found).slice(0, count);
      threshold = step > 1e6 ? Number.NEGATIVE_INFINITY : threshold - step;
    }
  }

  /** The fewest tokens, the best ones, that hold at least this mass. */
  #nucleus(mass: number): number[] {
    for (let depth = 4 * this.#temperature; ; depth *= 2) {
      const threshold = depth > 200 * this.#temperature ? Number.NEGATIVE_INFINITY : this.#max - depth;
      const found = this.#above(threshold);
      if (threshold === Number.NEGATIVE_INFINITY || this.#mass(found) >= mass) return this.#until(found, mass);
    }
  }

  /**
   * Of these tokens the fewest, the best ones, that hold at least `mass`. A flat distribution leaves a hundred thousand, so
   * only those around the boundary are ranked: a histogram of logits says which those are.
   */
  #until(tokens: readonly number[], mass: number): number[] {
    const certain: number[] = [];
    let edge = tokens;
    let left = mass;
    if (tokens.length > rankedMax) {
      const { logits } = this.#row;
      const span = histogramSpan * this.#temperature;
      const bucketOf = (token: number): number =>
        Math.min(buckets - 1, Math.floor(((this.#max - logits[token]!) / span) * buckets));
      const held = new Float64Array(buckets);
      for (const token of tokens) held[bucketOf(token)]! += this.#weight(logits[token]!);
      let boundary = 0;
      while (boundary < buckets - 1 && held[boundary]! < left) left -= held[boundary++]!;
      for (const token of tokens) if (bucketOf(token) < boundary) certain.push(token);
      edge = tokens.filter((token) => bucketOf(token) === boundary);
    }
    for (const token of this.#ranked(edge)) {
      if (left <= 0 && certain.length > 0) break;
      certain.push(token);
      left -= this.#weight(this.#row.logits[token]!);
    }
    return certain;
  }
}

/** More tokens than this are not ranked one by one. */
const rankedMax = 512;
const buckets = 4096;
/** Beyond e^-40 of the best a token's weight is nothing to a float. */
const histogramSpan = 40;

function largest(xs: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const x of xs) if (x > max) max = x;
  return max;
}

function touched(sampling: Sampling, history: History): Set<number> {
  const tokens = new Set(sampling.logitBias?.keys());
  const counted = (sampling.presencePenalty ?? 0) !== 0 || (sampling.frequencyPenalty ?? 0) !== 0;
  const repeated = (sampling.repetitionPenalty ?? 1) !== 1;
  if (counted || repeated) for (const token of history.produced.keys()) tokens.add(token);
  if (repeated) for (const token of history.prompt) tokens.add(token);
  return tokens;
}

/** New logits of the tokens that penalties and biases change. Repetition is of prompt and output, the others of output. */
function adjusted(logits: Float32Array, sampling: Sampling, history: History): (readonly [number, number])[] {
  const { presencePenalty = 0, frequencyPenalty = 0, repetitionPenalty = 1, logitBias } = sampling;
  return Array.from(touched(sampling, history), (token) => {
    const count = history.produced.get(token) ?? 0;
    let x = logits[token]!;
    if (count > 0 || history.prompt.has(token)) x = x > 0 ? x / repetitionPenalty : x * repetitionPenalty;
    if (count > 0) x -= presencePenalty + frequencyPenalty * count;
    return [token, x + (logitBias?.get(token) ?? 0)] as const;
  });
}

/** Natural logarithms of the model's own probabilities (temperature 1, no penalties): the token's, and the best `count`. */
export function logprobs(
  row: Row,
  token: number,
  count: number,
): { readonly own: number; readonly top: readonly (readonly [number, number])[] } {
  const max = largest(row.maxima);
  let sum = 0;
  for (const x of row.logits) sum += Math.exp(x - max);
  const norm = max + Math.log(sum);
  const top = count === 0 ? [] : bestOf(row, count);
  return { own: row.logits[token]! - norm, top: top.map((t) => [t, row.logits[t]! - norm] as const) };
}

function bestOf(row: Row, count: number): number[] {
  const best: number[] = [];
  const runs = Array.from(row.maxima.keys()).sort((a, b) => row.maxima[b]! - row.maxima[a]!);
  for (const run of runs) {
    if (best.length === count && row.maxima[run]! < row.logits[best[count - 1]!]!) break;
    for (let t = run * maximaBlock; t < Math.min((run + 1) * maximaBlock, row.logits.length); t++) {
      if (best.length === count && row.logits[t]! <= row.logits[best[count - 1]!]!) continue;
      best.push(t);
      best.sort((a, b) => row.logits[b]! - row.logits[a]! || a - b);
      best.length = Math.min(best.length, count);
    }
  }
  return best;
}
