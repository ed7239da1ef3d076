/**
 * What the serving engine offers to those who face clients: the HTTP server, the command line, tests.
 *
 * Tokens go in; events come out, one stream for all choices of a request. Text, templates and JSON shapes of an API are
 * the caller's; batching, memory, sampling, stop strings and constraints are behind this contract.
 */
import { UserError } from "../core/errors.ts";
import type { Checkpoint } from "../model/checkpoint.ts";

export interface Sampling {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly repetitionPenalty?: number;
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly seed: number;
}

/** An immutable state of a grammar over bytes: what may follow what was written so far. */
export interface ConstraintState {
  /** The state after `bytes`, or `undefined` where they break the grammar. */
  advance(bytes: Uint8Array): ConstraintState | undefined;
  /** True where the text may end here. */
  readonly complete: boolean;
  /** True where nothing may follow. */
  readonly closed: boolean;
}

export interface GenerationRequest {
  /** With the beginning-of-sequence token, if the model wants one. */
  readonly prompt: readonly number[];
  readonly choices: number;
  readonly tokensMax: number;
  readonly sampling: Sampling;
  /** Strings that end a choice; they are not part of its text. */
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  /** Report this many alternatives at each token; 0 reports the chosen token alone. */
  readonly logprobs?: number;
  readonly constraint?: ConstraintState;
  /** One of the checkpoint's adapters; default the model itself. */
  readonly adapter?: string;
}

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

export type GenerationEvent =
  | {
      readonly kind: "token";
      readonly choice: number;
      readonly token: number;
      /** Text that is now certain: whole characters that cannot become part of a stop string. May be empty. */
      readonly text: string;
      readonly logprob?: TokenLogprob;
      readonly top?: readonly TokenLogprob[];
    }
  | {
      readonly kind: "end";
      readonly choice: number;
      /** What was held back and is now certain. */
      readonly text: string;
      readonly reason: "stop" | "length";
    };

export interface Generation extends AsyncIterable<GenerationEvent> {
  /** Ends it now and frees its blocks; iteration then finishes without an end event. Safe to call twice. */
  cancel(): void;
  /** Prompt tokens found in the prefix cache; known once the first token arrives. */
  readonly cachedTokens: number;
}

/** Thrown by `generate` when the queue is full: HTTP 429. */
export class QueueFull extends Error {
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super(`The queue is full; try again in ${retryAfterSeconds} s.`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Ends a request whose logits are no numbers: the model's fault, HTTP 500. */
export class NoNumbers extends UserError {
  constructor(position: number) {
    super(
      `The model gives no numbers (NaN) for token ${position + 1} of this text.`,
      "Its weights or the adapter's hold what is no number, or overflow: take another file, or --numerics exact.",
    );
  }
}

export interface ServiceStatus {
  readonly running: number;
  readonly waiting: number;
  readonly blocksUsed: number;
  readonly blocksTotal: number;
  readonly preemptions: number;
  readonly prefixHits: number;
  readonly prefixQueries: number;
  readonly draftsProposed: number;
  readonly draftsAccepted: number;
}

export interface Service {
  readonly checkpoint: Pick<Checkpoint, "name" | "chatTemplate" | "tokenizer" | "config" | "adapters">;
  /** Longest prompt and output together, in tokens: the smaller of the model's context and what the cache can hold. */
  readonly context: number;
  /**
   * Most tokens that each choice of a request may produce: what its prompt leaves of the context, and, of several choices,
   * what the cache can hold of all of them at once. 0 where not even one fits.
   */
  roomFor(promptTokens: number, choices: number): number;
  /** Throws `QueueFull`, or a `UserError` for what can never be served (a prompt beyond the context). */
  generate(request: GenerationRequest): Generation;
  /** [D], not normalised. */
  embed(tokens: readonly number[]): Promise<Float32Array>;
  status(): ServiceStatus;
  /** Resolves once nothing runs or waits; new requests are refused. */
  drain(): Promise<void>;
  close(): Promise<void>;
}
