/** `POST /v1/chat/completions`: n choices of one conversation, with tools and constrained output. */
import type { FastifyReply } from "fastify";
import type { GenerationEvent } from "../generation.ts";
import { type ChatFields, chatFields } from "./chat-fields.ts";
import { chatPrompt } from "./chat-prompt.ts";
import { type Api, type Exchange, newId, startExchange } from "./exchange.ts";
import { type ChatTokenLogprobs, chatLogprobs } from "./logprobs.ts";
import { type OutputForm, outputForm } from "./output-form.ts";
import { checkLogitBias, checkModel, checkShared, seedOf, toGenerationRequest, tokensToGenerate } from "./request.ts";
import { streamAnswer } from "./stream-answer.ts";
import { type ToolCall, ToolOutput } from "./tool-output.ts";
import { validate } from "./validate.ts";

export async function chat(api: Api, body: unknown, reply: FastifyReply): Promise<unknown> {
  const fields = validate(chatFields, body);
  checkModel(api, fields.model);
  checkShared(fields);
  checkLogitBias(fields, api.service.checkpoint.tokenizer.vocabulary);
  const form = outputForm(fields);
  const prompt = await chatPrompt(api.service, fields, form);
  const asked = fields.max_completion_tokens ?? fields.max_tokens;
  const size = { prompt: prompt.length, choices: fields.n };
  const tokensMax = tokensToGenerate(api.service, size, asked, Number.POSITIVE_INFINITY, "messages");
  const logprobs = fields.logprobs === true ? (fields.top_logprobs ?? 0) : undefined;
  const { constraint } = form;
  const particular = { prompt, tokensMax, logprobs, ...(constraint === undefined ? {} : { constraint }) };
  const exchange = startExchange(api, [toGenerationRequest(fields, seedOf(fields), particular)], reply.raw);
  const created = Math.floor(Date.now() / 1e3);
  const head = (object: string) =>
    ({ id: newId("chatcmpl"), object, created, model: api.model, system_fingerprint: api.fingerprint }) as const;
  return fields.stream === true
    ? stream(api, exchange, fields, form, head("chat.completion.chunk"), reply)
    : collect(api, exchange, fields, form, head("chat.completion"));
}

const outputs = (fields: ChatFields, form: OutputForm): ToolOutput[] =>
  Array.from({ length: fields.n ?? 1 }, () => new ToolOutput(form.tools, form.toolNames));

interface Ended {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly reason: string;
}

function endOf(output: ToolOutput, event: Extract<GenerationEvent, { kind: "end" }>): Ended {
  const prose = output.push(event.text);
  const rest = output.finish();
  if ("text" in rest) return { text: prose + rest.text, calls: [], reason: event.reason };
  return { text: prose, calls: [{ id: newId("call"), type: "function", function: rest.call }], reason: "tool_calls" };
}

async function collect(
  api: Api,
  exchange: Exchange,
  fields: ChatFields,
  form: OutputForm,
  head: object,
): Promise<unknown> {
  const choices = outputs(fields, form).map((output) => ({
    output,
    content: "",
    calls: [] as readonly ToolCall[],
    logprobs: [] as ChatTokenLogprobs[],
    reason: null as string | null,
  }));
  await exchange.consume((index, event) => {
    const choice = choices[index]!;
    if (event.kind === "token") {
      choice.content += choice.output.push(event.text);
      choice.logprobs.push(...chatLogprobs(api.service.checkpoint.tokenizer, event));
      return undefined;
    }
    const { text, calls, reason } = endOf(choice.output, event);
    choice.content += text;
    choice.calls = calls;
    choice.reason = reason;
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
  const choices = outputs(fields, form);
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
      const output = choices[index]!;
      if (event.kind === "token") {
        const content = output.push(event.text);
        const logprobs = fields.logprobs === true ? chatLogprobs(api.service.checkpoint.tokenizer, event) : [];
        return content === "" && logprobs.length === 0 ? [] : [chunk(index, { content }, null, logprobs)];
      }
      const { text, calls, reason } = endOf(output, event);
      const chunks = text === "" ? [] : [chunk(index, { content: text }, null)];
      const toolCalls = calls.map((call, i) => ({ index: i, ...call }));
      if (calls.length > 0) chunks.push(chunk(index, { tool_calls: toolCalls }, null));
      return [...chunks, chunk(index, {}, reason)];
    },
  });
}
