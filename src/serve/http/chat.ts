/** `POST /v1/chat/completions`: n choices of one conversation, with tools and constrained output. */
import type { FastifyReply } from "fastify";
import { chatTemplateSource } from "../../model/chat.ts";
import type { GenerationEvent } from "../generation.ts";
import { type ChatFields, chatFields } from "./chat-fields.ts";
import { chatPrompt } from "./chat-prompt.ts";
import { type Api, type Exchange, newId, startExchange } from "./exchange.ts";
import { type ChatTokenLogprobs, chatLogprobs } from "./logprobs.ts";
import { type OutputForm, outputForm } from "./output-form.ts";
import {
  checkLogitBias,
  checkShared,
  chosenAdapter,
  seedOf,
  toGenerationRequest,
  tokensToGenerate,
} from "./request.ts";
import { streamAnswer } from "./stream-answer.ts";
import { type OutputPart, ToolOutput } from "./tool-output.ts";
import { newCallId, toolMark } from "./tool-styles.ts";
import { validate } from "./validate.ts";

export async function chat(api: Api, body: unknown, reply: FastifyReply): Promise<unknown> {
  const fields = validate(chatFields, body);
  const adapter = chosenAdapter(api, fields.model);
  checkShared(fields);
  checkLogitBias(fields, api.service.checkpoint.tokenizer.vocabulary);
  const form = outputForm(fields);
  const prompt = await chatPrompt(api.service, fields, form);
  const asked = fields.max_completion_tokens ?? fields.max_tokens;
  const size = { prompt: prompt.length, choices: fields.n };
  const tokensMax = tokensToGenerate(api.service, size, asked, Number.POSITIVE_INFINITY, "messages");
  const logprobs = fields.logprobs === true ? (fields.top_logprobs ?? 0) : undefined;
  const { constraint } = form;
  const particular = { prompt, tokensMax, logprobs, adapter, ...(constraint === undefined ? {} : { constraint }) };
  const exchange = startExchange(api, [toGenerationRequest(fields, seedOf(fields), particular)], reply.raw);
  const created = Math.floor(Date.now() / 1e3);
  const head = (object: string) =>
    ({ id: newId("chatcmpl"), object, created, model: fields.model, system_fingerprint: api.fingerprint }) as const;
  return fields.stream === true
    ? stream(api, exchange, fields, form, head("chat.completion.chunk"), reply)
    : collect(api, exchange, fields, form, head("chat.completion"));
}

interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; arguments: string };
}

/** One choice's text, taken apart into prose and calls as it comes. */
interface Choice {
  take(event: GenerationEvent): readonly OutputPart[];
  /** Why it ended, given what the engine says of it. */
  reason(end: "stop" | "length"): string;
  newCall(name: string): ToolCall;
}

function createChoices({ service }: Api, fields: ChatFields, form: OutputForm): Choice[] {
  const { tokenizer } = service.checkpoint;
  const { template } = chatTemplateSource(service.checkpoint);
  const most = fields.parallel_tool_calls === false ? 1 : Number.POSITIVE_INFINITY;
  return Array.from({ length: fields.n ?? 1 }, () => {
    const output = new ToolOutput(form.tools, form.toolNames, most);
    return {
      take(event) {
        if (event.kind === "end") return [...output.push(event.text), ...output.finish()];
        const mark = form.tools === "none" ? "" : toolMark(tokenizer, event.token);
        return output.push(event.text + mark);
      },
      reason: (end) => (end === "stop" && output.calls > 0 ? "tool_calls" : end),
      newCall: (name) => ({ id: newCallId(template), type: "function", function: { name, arguments: "" } }),
    };
  });
}

async function collect(
  api: Api,
  exchange: Exchange,
  fields: ChatFields,
  form: OutputForm,
  head: object,
): Promise<unknown> {
  const choices = createChoices(api, fields, form).map((choice) => ({
    choice,
    content: "",
    calls: [] as ToolCall[],
    logprobs: [] as ChatTokenLogprobs[],
    reason: null as string | null,
  }));
  await exchange.consume((index, event) => {
    const answer = choices[index]!;
    for (const part of answer.choice.take(event)) {
      if (part.kind === "content") answer.content += part.text;
      else if (part.kind === "call") answer.calls.push(answer.choice.newCall(part.name));
      else answer.calls[part.call]!.function.arguments += part.text;
    }
    if (event.kind === "end") answer.reason = answer.choice.reason(event.reason);
    else answer.logprobs.push(...chatLogprobs(api.service.checkpoint.tokenizer, event));
    return undefined;
  });
  return {
    ...head,
    choices: choices.map(({ content, calls, logprobs, reason }, index) => ({
      index,
      message: {
        role: "assistant",
        content: calls.length > 0 && content === "" ? null : content,
        refusal: null,
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      },
      logprobs: fields.logprobs === true ? { content: logprobs, refusal: null } : null,
      finish_reason: reason,
    })),
    usage: exchange.usage(),
  };
}

function stream(
  api: Api,
  exchange: Exchange,
  fields: ChatFields,
  form: OutputForm,
  head: object,
  reply: FastifyReply,
): Promise<void> {
  const choices = createChoices(api, fields, form);
  const chunk = (index: number, delta: object, reason: string | null, logprobs: readonly ChatTokenLogprobs[] = []) =>
    JSON.stringify({
      index,
      delta,
      logprobs: logprobs.length === 0 ? null : { content: logprobs, refusal: null },
      finish_reason: reason,
    });
  return streamAnswer(api, exchange, reply, {
    head,
    usage: fields.stream_options?.include_usage ?? false,
    opening: choices.map((_, index) => chunk(index, { role: "assistant", content: "" }, null)),
    choices: (index, event) => {
      const choice = choices[index]!;
      const deltas = choice.take(event).map((part) => deltaOf(part, choice));
      if (event.kind === "end") {
        return [...deltas.map((delta) => chunk(index, delta, null)), chunk(index, {}, choice.reason(event.reason))];
      }
      const logprobs = fields.logprobs === true ? chatLogprobs(api.service.checkpoint.tokenizer, event) : [];
      if (deltas.length === 0 && logprobs.length > 0) deltas.push({});
      return deltas.map((delta, i) => chunk(index, delta, null, i === 0 ? logprobs : []));
    },
  });
}

/** As OpenAI streams it: a call's name and empty arguments first, then pieces of the arguments. */
function deltaOf(part: OutputPart, choice: Choice): object {
  if (part.kind === "content") return { content: part.text };
  const call = part.kind === "call" ? choice.newCall(part.name) : { function: { arguments: part.text } };
  return { tool_calls: [{ index: part.call, ...call }] };
}
