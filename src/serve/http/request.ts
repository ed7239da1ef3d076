/** From the fields of a request to what the engine takes: prompts within the context, sampling, stop strings. */
import { randomInt } from "node:crypto";
import type { GenerationRequest, Sampling, Service } from "../generation.ts";
import { ApiError, badRequest } from "./errors.ts";
import type { Api } from "./exchange.ts";
import type { SharedFields } from "./fields.ts";

/** The name of the adapter that `model` is; `undefined` for the model itself. */
export function chosenAdapter(api: Pick<Api, "model" | "service">, model: string): string | undefined {
  if (model === api.model) return undefined;
  const { adapters = [] } = api.service.checkpoint;
  if (adapters.some(({ name }) => name === model)) return model;
  const names = [api.model, ...adapters.map(({ name }) => name)].map((name) => `'${name}'`);
  throw new ApiError(404, `The model '${model}' does not exist; this server has ${names.join(", ")}.`, {
    param: "model",
    code: "model_not_found",
  });
}

export function checkShared(fields: SharedFields): void {
  if (fields.stream_options !== undefined && fields.stream !== true) {
    throw badRequest("'stream_options' is only allowed with stream: true.", "stream_options");
  }
}

/** What each endpoint adds to the fields that they share. */
export interface Particular {
  readonly prompt: readonly number[];
  readonly tokensMax: number;
  readonly logprobs: number | undefined;
  readonly constraint?: GenerationRequest["constraint"];
  readonly adapter: string | undefined;
}

export function toGenerationRequest(fields: SharedFields, seed: number, particular: Particular): GenerationRequest {
  const { stop } = fields;
  return {
    prompt: particular.prompt,
    choices: fields.n ?? 1,
    tokensMax: particular.tokensMax,
    sampling: sampling(fields, seed),
    stop: stop === undefined ? [] : typeof stop === "string" ? [stop] : stop,
    ignoreEos: fields.ignore_eos ?? false,
    ...(particular.logprobs === undefined ? {} : { logprobs: particular.logprobs }),
    ...(particular.constraint === undefined ? {} : { constraint: particular.constraint }),
    ...(particular.adapter === undefined ? {} : { adapter: particular.adapter }),
  };
}

/** A request without a seed gets one here, so that everything below is a function of its request. */
export function seedOf(fields: SharedFields): number {
  return fields.seed ?? randomInt(2 ** 47);
}

function sampling(fields: SharedFields, seed: number): Sampling {
  // vLLM writes "off" as -1 or 0.
  const topK = fields.top_k !== undefined && fields.top_k > 0 ? fields.top_k : undefined;
  const bias = Object.entries(fields.logit_bias ?? {}).map(([token, value]) => [Number(token), value] as const);
  return {
    temperature: fields.temperature ?? 1,
    seed,
    ...(topK === undefined ? {} : { topK }),
    ...(fields.top_p === undefined ? {} : { topP: fields.top_p }),
    ...(fields.min_p === undefined ? {} : { minP: fields.min_p }),
    ...(fields.presence_penalty === undefined ? {} : { presencePenalty: fields.presence_penalty }),
    ...(fields.frequency_penalty === undefined ? {} : { frequencyPenalty: fields.frequency_penalty }),
    ...(fields.repetition_penalty === undefined ? {} : { repetitionPenalty: fields.repetition_penalty }),
    ...(bias.length === 0 ? {} : { logitBias: new Map(bias) }),
  };
}

export function checkLogitBias(fields: SharedFields, vocabulary: number): void {
  for (const token of Object.keys(fields.logit_bias ?? {})) {
    if (Number(token) < vocabulary) continue;
    throw badRequest(`'logit_bias' names token ${token}; the vocabulary has ${vocabulary}.`, "logit_bias");
  }
}

/**
 * Tokens of a text that a client sent, without ever tokenising much more than the context holds: a body of 10 MB would
 * stop the event loop for seconds, only to be refused.
 */
export async function encodePrompt(service: Service, text: string, param: string): Promise<number[]> {
  const { tokenizer } = service.checkpoint;
  const sure = service.context * 2;
  if (text.length > sure) {
    const about = await estimateTokens(service, text);
    // Cutting the text costs at most a few tokens a cut, far below this margin.
    if (about > service.context * 1.1 + 64) throw contextExceeded(service.context, `about ${about} or more`, param);
  }
  return tokenizer.encode(text);
}

/** Counts in slices, with the event loop's turn between them; stops where the answer is clear. */
async function estimateTokens(service: Service, text: string): Promise<number> {
  const slice = 16_384;
  let count = 0;
  for (let at = 0; at < text.length && count < service.context * 2; ) {
    const end = at + slice;
    const splitsPair = /[\ud800-\udbff]/.test(text[end - 1] ?? "");
    const next = splitsPair ? end + 1 : end;
    count += service.checkpoint.tokenizer.encode(text.slice(at, next), { bos: false }).length;
    at = next;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return count;
}

/** Token ids that a client sent instead of text. */
export function checkTokens(service: Service, tokens: readonly unknown[], param: string): readonly number[] {
  const { vocabulary } = service.checkpoint.tokenizer;
  if (tokens.length >= service.context) throw contextExceeded(service.context, String(tokens.length), param);
  for (const [i, token] of tokens.entries()) {
    if (typeof token === "number" && Number.isInteger(token) && token >= 0 && token < vocabulary) continue;
    const path = `${param}[${i}]`;
    throw badRequest(
      `'${path}' is ${JSON.stringify(token)}; token ids are integers from 0 to ${vocabulary - 1}.`,
      path,
    );
  }
  return tokens as readonly number[];
}

/**
 * How many tokens each choice may get. Throws where the prompt, or the prompt and what was asked for, do not fit. Who asks for no
 * number gets the endpoint's default, or as many as can be had: what is left of the context, and for several choices what
 * the cache can hold of all of them.
 */
export function tokensToGenerate(
  service: Service,
  { prompt, choices = 1 }: { readonly prompt: number; readonly choices: number | undefined },
  asked: number | undefined,
  byDefault: number,
  param: string,
): number {
  if (prompt === 0) throw badRequest(`'${param}' is empty: there is no token to continue from.`, param);
  const room = service.context - prompt;
  if (room < 1) throw contextExceeded(service.context, String(prompt), param);
  if (asked !== undefined && asked > room) {
    const message =
      `This server's context is ${service.context} tokens; you requested ${prompt + asked}: ${prompt} in the prompt and ` +
      `${asked} to generate. Ask for at most ${room}, or shorten the prompt.`;
    throw badRequest(message, param, "context_length_exceeded");
  }
  // Where not even one token fits, asking for one has the engine say what would.
  return asked ?? Math.max(1, Math.min(byDefault, service.roomFor(prompt, choices)));
}

export function contextExceeded(context: number, tokens: string, param: string): ApiError {
  const message = `This server's context is ${context} tokens; the prompt has ${tokens}. Shorten the prompt.`;
  return badRequest(message, param, "context_length_exceeded");
}
