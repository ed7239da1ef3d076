/** `POST /v1/completions`, the legacy endpoint: several prompts, n choices of each. */
import type { FastifyReply } from "fastify";
import type { GenerationEvent } from "../generation.ts";
import { type CompletionsFields, completionsFields } from "./completions-fields.ts";
import { badRequest } from "./errors.ts";
import { type Api, type Exchange, newId, startExchange } from "./exchange.ts";
import { appendLegacyLogprobs, emptyLegacyLogprobs, LegacyLogprobCollector, type LegacyLogprobs } from "./logprobs.ts";
import { promptList } from "./prompt-list.ts";
import {
  checkLogitBias,
  checkShared,
  chosenAdapter,
  seedOf,
  toGenerationRequest,
  tokensToGenerate,
} from "./request.ts";
import { streamAnswer } from "./stream-answer.ts";
import { validate } from "./validate.ts";

const promptsMax = 128;
const choicesMax = 128;
/** OpenAI's default of this endpoint. */
const tokensDefault = 16;

export async function completions(api: Api, body: unknown, reply: FastifyReply): Promise<unknown> {
  const fields = validate(completionsFields, body);
  const adapter = chosenAdapter(api, fields.model);
  checkShared(fields);
  checkLogitBias(fields, api.service.checkpoint.tokenizer.vocabulary);
  const prompts = await promptList(api.service, fields.prompt, "prompt", promptsMax);
  const choices = prompts.length * (fields.n ?? 1);
  if (choices > choicesMax) {
    throw badRequest(`'n' times the prompts makes ${choices} choices; at most ${choicesMax} are made at once.`, "n");
  }
  const seed = seedOf(fields);
  const requests = prompts.map((prompt) => {
    const size = { prompt: prompt.length, choices: fields.n };
    const tokensMax = tokensToGenerate(api.service, size, fields.max_tokens, tokensDefault, "prompt");
    return toGenerationRequest(fields, seed, { prompt, tokensMax, logprobs: fields.logprobs, adapter });
  });
  const exchange = startExchange(api, requests, reply.raw);
  const head = {
    id: newId("cmpl"),
    object: "text_completion",
    created: Math.floor(Date.now() / 1e3),
    model: fields.model,
    system_fingerprint: api.fingerprint,
  };
  const collectors = Array.from(
    { length: choices },
    () => new LegacyLogprobCollector(api.service.checkpoint.tokenizer),
  );
  return fields.stream === true
    ? stream(api, exchange, fields, head, collectors, reply)
    : collect(exchange, fields, head, collectors);
}

async function collect(
  exchange: Exchange,
  fields: CompletionsFields,
  head: object,
  collectors: readonly LegacyLogprobCollector[],
): Promise<unknown> {
  const choices = collectors.map((collector, index) => ({
    index,
    text: "",
    logprobs: fields.logprobs === undefined ? null : emptyLegacyLogprobs(),
    finish_reason: null as string | null,
    collector,
  }));
  await exchange.consume((index, event) => {
    const choice = choices[index]!;
    choice.text += event.text;
    if (event.kind === "end") choice.finish_reason = event.reason;
    else if (choice.logprobs !== null) appendLegacyLogprobs(choice.logprobs, choice.collector.take(event));
    return undefined;
  });
  return { ...head, choices: choices.map(({ collector: _, ...choice }) => choice), usage: exchange.usage() };
}

function stream(
  api: Api,
  exchange: Exchange,
  fields: CompletionsFields,
  head: object,
  collectors: readonly LegacyLogprobCollector[],
  reply: FastifyReply,
): Promise<void> {
  const chunk = (index: number, event: GenerationEvent): string | undefined => {
    const logprobs = logprobsOf(fields, collectors[index]!, event);
    if (event.kind === "token" && event.text === "" && logprobs === null) return undefined;
    const reason = event.kind === "end" ? event.reason : null;
    return JSON.stringify({ index, text: event.text, logprobs, finish_reason: reason });
  };
  return streamAnswer(api, exchange, reply, {
    head,
    usage: fields.stream_options?.include_usage ?? false,
    opening: [],
    choices: (index, event) => {
      const choice = chunk(index, event);
      return choice === undefined ? [] : [choice];
    },
  });
}

function logprobsOf(
  fields: CompletionsFields,
  collector: LegacyLogprobCollector,
  event: GenerationEvent,
): LegacyLogprobs | null {
  if (fields.logprobs === undefined || event.kind === "end") return null;
  const lists = collector.take(event);
  return lists.tokens.length === 0 ? null : lists;
}
