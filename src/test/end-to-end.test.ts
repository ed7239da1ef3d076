/**
 * The whole path on compiled kernels and the fixture model: official client, HTTP, engine, blocks. After every test each cache
 * block has come back.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, afterEach, before, test } from "node:test";
import OpenAI from "openai";
import { createServer, type Server } from "../serve/http.ts";
import { openService, type RunningService } from "../serve/service.ts";
import { type Model, openModel } from "./serve-rig.ts";
import { until } from "./until.ts";

let model: Model;
let service: RunningService;
let server: Server;
let client: OpenAI;
let url: URL;
let name: string;

before(async () => {
  model = await openModel({ blocks: 96 });
  name = model.checkpoint.name;
  const slots = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "speculative-decoding" };
  service = await openService({ ...model, ...slots, queueMax: 4 });
  server = createServer({ service });
  url = new URL(await server.listen("127.0.0.1", 0));
  client = new OpenAI({ baseURL: `${url.origin}/v1`, apiKey: "none", maxRetries: 0 });
});
afterEach(async () => {
  await until(() => service.status().running + service.status().waiting === 0);
  service.check();
  assert.equal(service.status().blocksUsed, 0, "blocks did not come back");
});
after(async () => {
  await server?.drain();
  await service?.close();
  await model?.close();
});

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const messages = [{ role: "user" as const, content: "Tell me of looms." }];

test("chat, streamed and whole, is the same text", async () => {
  const body = { model: name, messages, max_tokens: 24, seed: 5, temperature: 0.8 };
  const whole = await client.chat.completions.create(body);
  let text = "";
  let usage: OpenAI.CompletionUsage | null | undefined;
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0]!.message.content);
  assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
  assert.ok((whole.usage?.prompt_tokens ?? 0) > 0);
});

test("n choices differ, each repeats with its seed, and logprobs are of what was chosen", async () => {
  const body = { model: name, prompt: "A loom", max_tokens: 12, n: 3, seed: 9, temperature: 1, logprobs: 2 };
  const [first, second] = await Promise.all([client.completions.create(body), client.completions.create(body)]);
  const texts = first.choices.map((c) => c.text);
  assert.deepEqual(
    second.choices.map((c) => c.text),
    texts,
  );
  assert.equal(new Set(texts).size, 3);
  for (const { logprobs } of first.choices) for (const p of logprobs?.token_logprobs ?? []) assert.ok(p <= 0);
});

test("output held to a schema parses and validates, from a model that writes noise", async () => {
  const schema = {
    type: "object",
    properties: {
      kind: { enum: ["plain", "twill", "satin"] },
      ends: { type: "integer", minimum: 2, maximum: 4000 },
      warm: { type: "boolean" },
    },
    required: ["kind", "ends", "warm"],
    additionalProperties: false,
  };
  for (let seed = 0; seed < 8; seed++) {
    const answer = await client.chat.completions.create({
      model: name,
      messages,
      seed,
      temperature: 1,
      max_tokens: 120,
      response_format: { type: "json_schema", json_schema: { name: "weave", schema, strict: true } },
    });
    const { finish_reason, message } = answer.choices[0]!;
    assert.equal(finish_reason, "stop");
    const value = JSON.parse(message.content!);
    assert.ok(["plain", "twill", "satin"].includes(value.kind) && value.ends >= 2 && value.ends <= 4000);
    assert.deepEqual(Object.keys(value), ["kind", "ends", "warm"]);
  }
});

test("a required tool is called with arguments of its schema, streamed and whole", async () => {
  const parameters = {
    type: "object",
    properties: { shed: { type: "integer", minimum: 0, maximum: 7 } },
    required: ["shed"],
  };
  const body = {
    model: name,
    messages,
    seed: 3,
    max_tokens: 100,
    tools: [{ type: "function" as const, function: { name: "lift", parameters } }],
    tool_choice: "required" as const,
  };
  const answer = await client.chat.completions.create(body);
  const call = answer.choices[0]!.message.tool_calls![0]!;
  assert.ok(call.type === "function" && call.function.name === "lift");
  const { shed } = JSON.parse(call.function.arguments);
  assert.ok(shed >= 0 && shed <= 7);
  assert.equal(answer.choices[0]!.finish_reason, "tool_calls");
  const accumulated = await client.chat.completions.stream(body).finalChatCompletion();
  const streamed = accumulated.choices[0]!.message.tool_calls![0]!;
  assert.ok(streamed.type === "function");
  assert.equal(streamed.function.arguments, call.function.arguments);
});

test("embeddings of equal texts are equal, while others generate", async () => {
  const busy = client.completions.create({ model: name, prompt: "x", max_tokens: 60 });
  const { data } = await client.embeddings.create({
    model: name,
    input: ["warp", "weft", "warp"],
    encoding_format: "float",
  });
  assert.deepEqual(data[0]!.embedding, data[2]!.embedding);
  assert.notDeepEqual(data[0]!.embedding, data[1]!.embedding);
  await busy;
});

test("a client that hangs up frees its blocks; a full queue is a 429 that says when to come back", async () => {
  const many = Array.from({ length: 30 }, (_, i) =>
    client.completions.create({ model: name, prompt: `${i} ${"weave ".repeat(20)}`, max_tokens: 200, n: 2 }).then(
      () => "served",
      (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(error.status, 429);
        assert.ok(Number(error.headers?.get("retry-after")) >= 1);
        return "refused";
      },
    ),
  );
  const outcomes = new Set(await Promise.all(many));
  assert.deepEqual(outcomes, new Set(["served", "refused"]));
  const stream = await client.completions.create({ model: name, prompt: "on and on", max_tokens: 400, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
});

test("several choices without a limit share the cache; with one that cannot be held they are refused", async () => {
  const answer = await client.chat.completions.create({ model: name, messages, n: 3, seed: 3 });
  assert.equal(answer.choices.length, 3);
  for (const choice of answer.choices) assert.match(choice.finish_reason, /^(stop|length)$/);
  const beyond = { model: name, messages, n: 3, max_tokens: Math.floor(service.context / 2) };
  await assert.rejects(client.chat.completions.create(beyond), (error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError && error.status === 400);
    assert.match(error.message, /fewer tokens or choices/);
    return true;
  });
});

test("a prompt beyond the context is refused with the numbers", async () => {
  const prompt = "weave ".repeat(service.context);
  await assert.rejects(client.completions.create({ model: name, prompt, max_tokens: 1 }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError && error.status === 400);
    assert.match(error.message, new RegExp(`${service.context}`));
    return true;
  });
});

test("a client that reads a byte a second holds nobody up", async () => {
  const body = JSON.stringify({ model: name, prompt: "slow", max_tokens: 100, stream: true, ignore_eos: true });
  const socket = connect(Number(url.port), "127.0.0.1");
  socket.pause();
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await pause(100);
  socket.read(1);
  const quick = await client.completions.create({ model: name, prompt: "quick", max_tokens: 10 });
  assert.equal(quick.choices.length, 1);
  socket.destroy();
});
