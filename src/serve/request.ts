/** A request as a policy may see it: counts and times, never tokens or text, and never its final length. */
import type { Seconds } from "../time/clock.ts";

export interface RequestView {
  readonly id: number;
  readonly arrivedAt: Seconds;
  readonly promptTokens: number;
  /** Most tokens that each choice may produce. */
  readonly tokensMax: number;
  readonly choices: number;
  /** Sequences that would run in the next pass: one until the prompt is computed, then each choice that has not ended. */
  readonly sequences: number;
  /** Tokens it could compute in the next pass, over all of its sequences. */
  readonly work: number;
  /** True where each sequence has one token to compute: the one it produced last. */
  readonly decoding: boolean;
  /** True from its first admission on: a waiting request that has started was preempted. */
  readonly started: boolean;
}
