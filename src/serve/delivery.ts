/**
 * From tokens to what a client sees: text as its characters become certain, stop strings held back and cut, ends. Events wait
 * here for a reader that is slower than the model; a request's own limit bounds how many.
 */
import { TextStream } from "../model/tokenizer/stream.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Generation, GenerationEvent, GenerationRequest } from "./generation.ts";
import type { Emitted, Listener } from "./model-executor.ts";

interface Choice {
  readonly text: TextStream;
  /** Certain characters that may be the beginning of a stop string. */
  held: string;
  produced: number;
  ended: boolean;
}

export class Delivery implements Generation, Listener {
  cachedTokens = 0;
  /** True once the prompt was looked for in the prefix cache. */
  counted = false;
  readonly #request: GenerationRequest;
  readonly #tokenizer: Tokenizer;
  readonly #choices: readonly Choice[];
  readonly #cancelled: () => void;
  #events: GenerationEvent[] = [];
  #wake: (() => void) | undefined;
  #failure: unknown;
  #over = false;

  constructor(request: GenerationRequest, tokenizer: Tokenizer, cancelled: () => void) {
    this.#request = request;
    this.#tokenizer = tokenizer;
    this.#cancelled = cancelled;
    this.#choices = Array.from({ length: request.choices }, () => ({
      text: new TextStream(),
      held: "",
      produced: 0,
      ended: false,
    }));
  }

  get promptTokens(): number {
    return this.#request.prompt.length;
  }

  emit(choice: number, { token, last, ...about }: Emitted): boolean {
    const state = this.#choices[choice]!;
    const { stop, tokensMax, ignoreEos } = this.#request;
    state.produced++;
    if (!ignoreEos && this.#tokenizer.ends.includes(token)) {
      this.#push({ kind: "token", choice, token, text: "", ...about });
      return this.#end(choice, "stop", state.held + state.text.end());
    }
    state.held += state.text.push(this.#tokenizer.bytes(token));
    const cut = firstStop(state.held, stop);
    if (cut !== undefined) {
      this.#push({ kind: "token", choice, token, text: state.held.slice(0, cut), ...about });
      return this.#end(choice, "stop", "");
    }
    const certain = state.held.length - undecided(state.held, stop);
    this.#push({ kind: "token", choice, token, text: state.held.slice(0, certain), ...about });
    state.held = state.held.slice(certain);
    if (!last && state.produced < tokensMax) return false;
    return this.#end(choice, last ? "stop" : "length", state.held + state.text.end());
  }

  #push(event: GenerationEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #end(choice: number, reason: "stop" | "length", text: string): true {
    this.#choices[choice]!.ended = true;
    if (this.#choices.every((c) => c.ended)) this.#over = true;
    this.#push({ kind: "end", choice, text, reason });
    return true;
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelled();
    this.#wake?.();
  }

  /** Ends the stream with an error, for the reader to see. */
  fail(error: unknown): void {
    if (this.#over) return;
    this.#failure = error;
    this.#over = true;
    this.#wake?.();
  }

  /** The same for this request alone, which the engine is told to drop. */
  refuse(error: unknown): void {
    if (this.#over) return;
    this.fail(error);
    this.#cancelled();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<GenerationEvent> {
    try {
      for (;;) {
        const ready = this.#events;
        this.#events = [];
        yield* ready;
        if (this.#events.length > 0) continue;
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#over) return;
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
        this.#wake = undefined;
      }
    } finally {
      this.cancel();
    }
  }
}

/** Where the first stop string begins. */
function firstStop(text: string, stop: readonly string[]): number | undefined {
  const found = stop.map((s) => text.indexOf(s)).filter((at) => at !== -1);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** How many of the last characters may be the beginning of a stop string. */
function undecided(text: string, stop: readonly string[]): number {
  let most = 0;
  for (const s of stop) {
    for (let length = Math.min(s.length - 1, text.length); length > most; length--) {
      if (text.endsWith(s.slice(0, length))) most = length;
    }
  }
  return most;
}
