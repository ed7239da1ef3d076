/**
 * The engine's log: every input of a decision and every decision, in order; never a token and never text. Two runs agree when
 * their logs are equal; metrics are computed from it afterwards.
 */
import type { Seconds } from "../time/clock.ts";
import type { Pass, Produced } from "./executor.ts";

export interface Arrival {
  readonly id: number;
  readonly promptTokens: number;
  readonly tokensMax: number;
  readonly choices: number;
  /** Chained hashes of the prompt's whole blocks. */
  readonly hashes: readonly string[];
}

/** How the engine was set up: what a replay needs to set up another. */
export interface LogHeader {
  readonly kind: "header";
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
  readonly options: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly blocks: number;
  readonly blockSize: number;
  readonly swapBlocks: number;
  readonly limits: { readonly tokens: number; readonly sequences: number };
}

export type LogLine =
  | { readonly at: Seconds; readonly kind: "arrive"; readonly request: Arrival }
  | { readonly at: Seconds; readonly kind: "cancel"; readonly id: number }
  | {
      readonly at: Seconds;
      readonly kind: "pass";
      readonly admitted: readonly number[];
      readonly preempted: readonly { readonly request: number; readonly how: "recompute" | "swap" }[];
      readonly pass: Pass;
      /** Blocks in tables, and positions in them that hold something, once the pass has run. */
      readonly blocksHeld: number;
      readonly positionsUsed: number;
    }
  | { readonly at: Seconds; readonly kind: "done"; readonly produced: readonly Produced[] };
