/**
 * A `Service` without a model, for tests of what faces clients: it says what it is told to, one byte a token.
 *
 * Text of a request's choice comes from `reply`; tokens are bytes, with one token each for begin and end.
 */
import { UserError } from "../core/errors.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Generation, GenerationEvent, GenerationRequest, Service, ServiceStatus } from "../serve/generation.ts";
import { QueueFull } from "../serve/generation.ts";

export const fakeBos = 256;
export const fakeEnd = 257;

/** One token for each byte of UTF-8. */
export const byteTokenizer: Tokenizer = {
  vocabulary: 258,
  bos: fakeBos,
  ends: [fakeEnd],
  encode(text, options) {
    if (/\p{Surrogate}/u.test(text)) throw new UserError("The text has a lone surrogate.");
    const bytes = [...new TextEncoder().encode(text)];
    return options?.bos === false ? bytes : [fakeBos, ...bytes];
  },
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id < 256))),
  bytes: (id) => (id < 256 ? Uint8Array.of(id) : new Uint8Array(0)),
  piece: (id) => (id === fakeBos ? "<bos>" : id === fakeEnd ? "<end>" : String.fromCharCode(id)),
  isControl: (id) => id >= 256,
};

const config: ModelConfig = {
  architecture: "fake",
  layers: 1,
  width: 4,
  heads: 1,
  kvHeads: 1,
  headWidth: 4,
  feedForward: 4,
  vocabulary: 258,
  context: 4096,
  normEpsilon: 1e-6,
  ropes: [],
  windows: [undefined],
  attentionScale: 1,
  embeddingScale: 1,
  tied: true,
};

export interface FakeOptions {
  /** What a choice says; default "Hello." It ends by itself where this ends. */
  readonly reply?: (request: GenerationRequest, choice: number) => string;
  /** Waits before each token. Default none. */
  readonly tokenMilliseconds?: number;
  readonly context?: number;
  /** Generations at once; more are refused as a full queue refuses. */
  readonly queueMax?: number;
  readonly cachedTokens?: number;
  readonly chatTemplate?: string;
  readonly adapters?: Service["checkpoint"]["adapters"];
  /** Thrown in place of the token of this index. */
  readonly failure?: { readonly at: number; readonly error: Error };
}

export interface FakeService extends Service {
  /** What was asked for, in order. */
  readonly requests: GenerationRequest[];
  readonly cancelled: number;
  /** Tokens taken by readers so far. */
  readonly produced: number;
}

export const createFakeService = (options: FakeOptions = {}): FakeService => new ScriptedService(options);

class ScriptedService implements FakeService {
  readonly requests: GenerationRequest[] = [];
  readonly context: number;
  readonly checkpoint: FakeService["checkpoint"];
  cancelled = 0;
  produced = 0;
  readonly #options: FakeOptions;
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(options: FakeOptions) {
    this.#options = options;
    this.context = options.context ?? 4096;
    const { chatTemplate, adapters } = options;
    const checkpoint = { name: "fake", chatTemplate, tokenizer: byteTokenizer, config };
    this.checkpoint = { ...checkpoint, ...(adapters !== undefined && { adapters }) };
  }

  #leave(): void {
    this.#running--;
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  roomFor(promptTokens: number, choices: number): number {
    return Math.floor(this.context / choices) - promptTokens;
  }

  generate(request: GenerationRequest): Generation {
    if (request.prompt.length >= this.context) throw new UserError("The prompt is longer than the context.");
    if (this.#running >= (this.#options.queueMax ?? 64)) throw new QueueFull(2.5);
    this.requests.push(request);
    this.#running++;
    let over = false;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const end = (): boolean => {
      if (over) return false;
      over = true;
      this.#leave();
      return true;
    };
    return {
      cachedTokens: this.#options.cachedTokens ?? 0,
      cancel: () => {
        if (end()) this.cancelled++;
        stop();
      },
      [Symbol.asyncIterator]: () => this.#events(request, stopped, () => over, end),
    };
  }

  async *#events(
    request: GenerationRequest,
    stopped: Promise<void>,
    over: () => boolean,
    end: () => void,
  ): AsyncGenerator<GenerationEvent> {
    const { reply, tokenMilliseconds, failure } = this.#options;
    try {
      for (const event of script(request, reply ?? (() => "Hello."))) {
        if (tokenMilliseconds !== undefined) await Promise.race([stopped, sleep(tokenMilliseconds)]);
        if (over()) return;
        if (failure !== undefined && this.produced === failure.at) throw failure.error;
        if (event.kind === "token") this.produced++;
        yield event;
      }
    } finally {
      end();
    }
  }

  async embed(tokens: readonly number[]): Promise<Float32Array> {
    return Float32Array.of(3, 4, 0, tokens.length === 2 ? 12 : 0);
  }

  status(): ServiceStatus {
    return {
      running: this.#running,
      waiting: 0,
      blocksUsed: this.#running,
      blocksTotal: 64,
      preemptions: 3,
      prefixHits: 5,
      prefixQueries: 7,
      draftsProposed: 11,
      draftsAccepted: 9,
    };
  }

  drain(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {}
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** The events of all choices, interleaved as a batch would. */
function* script(request: GenerationRequest, reply: NonNullable<FakeOptions["reply"]>): Generator<GenerationEvent> {
  const choices = Array.from({ length: request.choices }, (_, choice) =>
    choiceEvents(request, choice, reply(request, choice)),
  );
  for (let open = choices; open.length > 0; ) {
    const next: Generator<GenerationEvent>[] = [];
    for (const events of open) {
      const { value, done } = events.next();
      if (done === true) continue;
      yield value;
      next.push(events);
    }
    open = next;
  }
}

function* choiceEvents(request: GenerationRequest, choice: number, said: string): Generator<GenerationEvent> {
  const at = Math.min(...request.stop.map((s) => said.indexOf(s)).filter((i) => i !== -1), said.length);
  const text = said.slice(0, at);
  const tokens = [...new TextEncoder().encode(text), fakeEnd];
  const decoder = new TextDecoder();
  for (const [i, token] of tokens.entries()) {
    if (i === request.tokensMax) {
      yield { kind: "end", choice, text: "", reason: "length" };
      return;
    }
    const fresh = token === fakeEnd ? "" : decoder.decode(Uint8Array.of(token), { stream: true });
    yield { kind: "token", choice, token, text: fresh, ...probabilities(request, token) };
  }
  yield { kind: "end", choice, text: "", reason: "stop" };
}

function probabilities(request: GenerationRequest, token: number) {
  if (request.logprobs === undefined) return {};
  const top = Array.from({ length: request.logprobs }, (_, i) => ({
    token: i === 0 ? token : 64 + i,
    logprob: -0.5 - i,
  }));
  return { logprob: { token, logprob: -0.5 }, top };
}
