/** Log-probabilities in OpenAI's two forms: a list of objects for chat, four parallel lists for legacy completions. */
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { GenerationEvent, TokenLogprob } from "../generation.ts";

type TokenEvent = Extract<GenerationEvent, { kind: "token" }>;

export interface ChatLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

export interface ChatTokenLogprobs extends ChatLogprob {
  readonly top_logprobs: readonly ChatLogprob[];
}

/** JSON has no infinity; OpenAI writes an impossible token's log-probability as this. */
const logprobMin = -9999;

const finite = (logprob: number): number => Math.max(logprob, logprobMin);

function tokenBytes(tokenizer: Tokenizer, token: number): Uint8Array {
  return tokenizer.isControl(token) ? new TextEncoder().encode(tokenizer.piece(token)) : tokenizer.bytes(token);
}

function chatLogprob(tokenizer: Tokenizer, { token, logprob }: TokenLogprob): ChatLogprob {
  const bytes = tokenBytes(tokenizer, token);
  return { token: new TextDecoder().decode(bytes), logprob: finite(logprob), bytes: [...bytes] };
}

/** Nothing for a token that ends the text: it is not part of it. */
export function chatLogprobs(tokenizer: Tokenizer, event: TokenEvent): readonly ChatTokenLogprobs[] {
  if (event.logprob === undefined || tokenizer.ends.includes(event.token)) return [];
  const top = (event.top ?? []).map((t) => chatLogprob(tokenizer, t));
  return [{ ...chatLogprob(tokenizer, event.logprob), top_logprobs: top }];
}

export interface LegacyLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: number[];
  readonly top_logprobs: Record<string, number>[];
  readonly text_offset: number[];
}

/** Collects one choice's tokens; offsets count characters of the choice's text. */
export class LegacyLogprobCollector {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder();
  #offset = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The lists for one event: one item long, or empty for a token that ends the text. */
  take(event: TokenEvent): LegacyLogprobs {
    const lists = emptyLegacyLogprobs();
    if (event.logprob === undefined || this.#tokenizer.ends.includes(event.token)) return lists;
    lists.tokens.push(this.#name(event.token));
    lists.token_logprobs.push(finite(event.logprob.logprob));
    // The chosen token is always among the alternatives, even where it was not one of the best.
    const listed = [...(event.top ?? []), event.logprob];
    lists.top_logprobs.push(Object.fromEntries(listed.map((t) => [this.#name(t.token), finite(t.logprob)])));
    lists.text_offset.push(this.#offset);
    this.#offset += this.#decoder.decode(tokenBytes(this.#tokenizer, event.token), { stream: true }).length;
    return lists;
  }

  /** A token that is no whole character is written `bytes:\xf0\x9f`, as OpenAI does. */
  #name(token: number): string {
    const bytes = tokenBytes(this.#tokenizer, token);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return `bytes:${[...bytes].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("")}`;
    }
  }
}

export function emptyLegacyLogprobs(): LegacyLogprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

export function appendLegacyLogprobs(to: LegacyLogprobs, from: LegacyLogprobs): void {
  to.tokens.push(...from.tokens);
  to.token_logprobs.push(...from.token_logprobs);
  to.top_logprobs.push(...from.top_logprobs);
  to.text_offset.push(...from.text_offset);
}
