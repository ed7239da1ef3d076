/**
 * Which token follows, given a guess: the acceptance rule of speculative decoding (Leviathan et al., ICML 2023, §2.3).
 *
 * `p` is the target's distribution, `q` the one that the guess was drawn from. The guess is kept with probability
 * min(1, p/q); refused, the token is drawn from norm(max(0, p - q)), here by drawing y from p and keeping it with
 * probability max(0, 1 - q(y)/p(y)). The result is distributed as p, whatever q. Where the guess was looked up, q is a
 * point: drawing from p and comparing is the same rule, and gives the very sample that there would be without a guess.
 */
import type { RowSampler } from "./sampler.ts";

/** The probability with which a draft model would have drawn a token. */
export type DraftDistribution = (token: number) => number;

/** Numbers of draws at one position: plain draws count up from 0, those of a refusal from here. */
const refusal = 1000;

export function accept(
  sampler: RowSampler,
  guess: number | undefined,
  q: DraftDistribution | undefined,
  draws: (n: number) => number,
): number {
  if (guess === undefined || q === undefined) return sampler.sample(draws(0));
  const p = sampler.probability(guess);
  if (draws(refusal) * q(guess) < p) return guess;
  for (let n = 1; n < 1000; n++) {
    const token = sampler.sample(draws(refusal + 2 * n));
    const kept = Math.max(0, 1 - q(token) / sampler.probability(token));
    if (draws(refusal + 2 * n + 1) < kept) return token;
  }
  // p and q are so close that a thousand draws left nothing: either may stand for the other.
  return sampler.sample(draws(0));
}
