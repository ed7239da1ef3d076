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

export function createFakeService(options: FakeOptions = {}): FakeService {
  const context = options.context ?? 4096;
  const requests: GenerationRequest[] = [];
  let running = 0;
  let cancelled = 0;
  let produced = 0;
  let idle: (() => void)[] = [];
  const leave = () => {
    running--;
    if (running > 0) return;
    for (const resolve of idle) resolve();
    idle = [];
  };

  function generate(request: GenerationRequest): Generation {
    if (request.prompt.length >= context) throw new UserError("The prompt is longer than the context.");
    if (running >= (options.queueMax ?? 64)) throw new QueueFull(2.5);
    requests.push(request);
    running++;
    let over = false;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const end = () => {
      if (over) return false;
      over = true;
      leave();
      return true;
    };
    async function* events(): AsyncGenerator<GenerationEvent> {
      try {
        for (const event of script(request, options.reply ?? (() => "Hello."))) {
          if (options.tokenMilliseconds !== undefined) await Promise.race([stopped, sleep(options.tokenMilliseconds)]);
          if (over) return;
          if (options.failure !== undefined && produced === options.failure.at) throw options.failure.error;
          if (event.kind === "token") produced++;
          yield event;
        }
      } finally {
        end();
      }
    }
    return {
      cachedTokens: options.cachedTokens ?? 0,
      cancel() {
        if (end()) cancelled++;
        stop();
      },
      [Symbol.asyncIterator]: events,
    };
  }

  return {
    requests,
    get cancelled() {
      return cancelled;
    },
    get produced() {
      return produced;
    },
    context,
    checkpoint: { name: "fake", chatTemplate: options.chatTemplate, tokenizer: byteTokenizer, config },
    generate,
    embed: async (tokens) => Float32Array.of(3, 4, 0, tokens.length === 2 ? 12 : 0),
    status: (): ServiceStatus => ({
      running,
      waiting: 0,
      blocksUsed: running,
      blocksTotal: 64,
      preemptions: 3,
      prefixHits: 5,
      prefixQueries: 7,
      draftsProposed: 11,
      draftsAccepted: 9,
    }),
    drain: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    close: async () => undefined,
  };
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
