import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import { withClient } from "../../test/http-client.ts";
import type { GenerationRequest } from "../generation.ts";

const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "weather",
    description: "Weather of a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};
const ask = { model: "fake", messages: [{ role: "user" as const, content: "Rain in Ulm?" }], tools: [weather] };
const call = '{"name": "weather", "arguments": {"city": "Ulm"}}';

async function streamed(client: OpenAI, fields: OpenAI.ChatCompletionCreateParamsNonStreaming) {
  let content = "";
  let chunks = 0;
  const calls: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
  let reason: string | null = null;
  for await (const chunk of await client.chat.completions.create({ ...fields, stream: true })) {
    const choice = chunk.choices[0]!;
    if (choice.delta.content) chunks++;
    content += choice.delta.content ?? "";
    calls.push(...(choice.delta.tool_calls ?? []));
    reason = choice.finish_reason;
  }
  return { content, calls, reason, chunks };
}

test("output that is a call of a known tool becomes tool_calls, streamed or not", async () => {
  await withClient({ reply: () => call }, async ({ client, service }) => {
    const { message, finish_reason } = (await client.chat.completions.create(ask)).choices[0]!;
    assert.equal(finish_reason, "tool_calls");
    assert.equal(message.content, null);
    const made = message.tool_calls![0]!;
    assert.ok(made.type === "function" && made.id.startsWith("call"));
    assert.equal(made.function.name, "weather");
    assert.deepEqual(JSON.parse(made.function.arguments), { city: "Ulm" });
    assert.equal(service.requests[0]!.constraint, undefined, "auto leaves the output free");

    const stream = await streamed(client, ask);
    assert.equal(stream.content, "");
    assert.equal(stream.reason, "tool_calls");
    assert.equal(stream.calls[0]!.index, 0);
    assert.equal(stream.calls[0]!.function!.name, "weather");
    const prompt = Buffer.from(service.requests[0]!.prompt.filter((t) => t < 256)).toString();
    assert.match(prompt, /weather/, "the model is told of the tool");
  });
});

test("prose streams at once; JSON that is no call comes as text in the end", async () => {
  await withClient({ reply: () => "No rain." }, async ({ client }) => {
    const stream = await streamed(client, ask);
    assert.equal(stream.content, "No rain.");
    assert.equal(stream.chunks, 8);
    assert.equal(stream.reason, "stop");
  });
  for (const reply of ['{"name": "launch", "arguments": {}}', "{x", " {}"]) {
    await withClient({ reply: () => reply }, async ({ client }) => {
      const stream = await streamed(client, ask);
      assert.deepEqual([stream.content, stream.calls.length, stream.reason], [reply, 0, "stop"]);
      const whole = await client.chat.completions.create(ask);
      assert.equal(whole.choices[0]!.message.content, reply);
    });
  }
});

const now: OpenAI.ChatCompletionFunctionTool = { type: "function", function: { name: "now" } };
const wrapped = (text: string) => `<tool_call>\n${text}\n</tool_call>`;

test("calls stream as OpenAI streams them: id and name first, then pieces of the arguments, by index", async () => {
  const reply = `Let me look.\n${wrapped(call)}\n${wrapped('{"name": "now", "arguments": {}}')}`;
  await withClient({ reply: () => reply }, async ({ client }) => {
    const stream = await streamed(client, { ...ask, tools: [weather, now] });
    assert.equal(stream.content, "Let me look.\n");
    assert.equal(stream.reason, "tool_calls");
    const [first, ...others] = stream.calls.filter((c) => c.index === 0);
    assert.deepEqual(first, {
      index: 0,
      id: first!.id,
      type: "function",
      function: { name: "weather", arguments: "" },
    });
    assert.match(first!.id!, /^call-/);
    // The fake service says one byte a token.
    assert.deepEqual(
      others,
      Array.from('{"city": "Ulm"}', (text) => ({ index: 0, function: { arguments: text } })),
    );
    assert.equal(
      stream.calls.findIndex((c) => c.index === 1),
      1 + others.length,
    );
  });
});

test("OpenAI's own accumulation of a stream is what comes whole", async () => {
  const replies = [
    `Look: ${wrapped(call)}${wrapped('{"name": "now", "arguments": {"a": [1, {}]}}')}`,
    call,
    "No.",
    "{",
  ];
  await withClient({ reply: (_, choice) => replies[choice]! }, async ({ client }) => {
    const fields = { ...ask, tools: [weather, now], n: replies.length };
    const withoutIds = ({ choices }: OpenAI.ChatCompletion) =>
      choices.map(({ message, finish_reason }) => ({
        content: message.content || null,
        calls: (message.tool_calls ?? []).map((made) => made.type === "function" && made.function),
        finish_reason,
      }));
    const whole = withoutIds(await client.chat.completions.create(fields));
    const accumulated = await client.chat.completions.stream(fields).finalChatCompletion();
    const plain = withoutIds(accumulated).map((choice) => ({
      ...choice,
      calls: choice.calls.map((made) => made && { name: made.name, arguments: made.arguments }),
    }));
    assert.deepEqual(plain, whole);
    assert.deepEqual(
      whole.map(({ finish_reason }) => finish_reason),
      ["tool_calls", "tool_calls", "stop", "stop"],
    );
    assert.equal(whole[0]!.calls.length, 2);
    const single = await client.chat.completions.create({ ...fields, n: 1, parallel_tool_calls: false });
    assert.equal(single.choices[0]!.message.tool_calls!.length, 1);
    assert.match(single.choices[0]!.message.content!, /"now"/);
  });
});

test("a call that max_tokens cuts off ends by length, with what there is of its arguments", async () => {
  await withClient({ reply: () => call }, async ({ client }) => {
    const stream = await streamed(client, { ...ask, max_tokens: call.length - 4 });
    assert.equal(stream.reason, "length");
    assert.equal(stream.calls.map((c) => c.function!.arguments).join(""), '{"city": "Ul');
  });
});

test("the calls that a client sends back fit the template of a model that wants short ids", async () => {
  const chatTemplate =
    "{% for m in messages %}{% for c in m.tool_calls or [] %}[TOOL_CALLS] {% if c.id | length != 9 %}" +
    "{{ raise_exception('nine characters') }}{% endif %}{{ c.function.arguments.city }}{% endfor %}{% endfor %}";
  await withClient({ reply: () => `[TOOL_CALLS] [${call}]`, chatTemplate }, async ({ client, service }) => {
    const { message } = (await client.chat.completions.create(ask)).choices[0]!;
    const result = { role: "tool" as const, tool_call_id: message.tool_calls![0]!.id, content: "raining" };
    await client.chat.completions.create({ ...ask, messages: [...ask.messages, message, result] });
    const prompt = Buffer.from(service.requests[1]!.prompt.filter((t) => t < 256)).toString();
    assert.equal(prompt, "[TOOL_CALLS] Ulm");
  });
});

test("tool_choice none forgets the tools; required and a name constrain the output", async () => {
  await withClient({ reply: () => call }, async ({ client, service }) => {
    const none = await client.chat.completions.create({ ...ask, tool_choice: "none" });
    assert.equal(none.choices[0]!.message.content, call);
    for (const choice of ["required", { type: "function", function: { name: "weather" } }] as const) {
      const made = await client.chat.completions.create({ ...ask, tool_choice: choice, parallel_tool_calls: false });
      assert.equal(made.choices[0]!.finish_reason, "tool_calls");
      const constraint = service.requests.at(-1)!.constraint!;
      const bytes = (text: string) => new TextEncoder().encode(text);
      assert.equal(constraint.advance(bytes("No")), undefined, "prose cannot be written");
      const end = constraint.advance(bytes('{"name":"weather","arguments":{"city":"Ulm"}}'));
      assert.equal(end?.complete, true);
    }
  });
});

test("a conversation with tool results is rendered and answered", async () => {
  await withClient({}, async ({ client, service }) => {
    const first = await withReply(client);
    assert.equal(first, "Hello.");
    const prompt = Buffer.from(service.requests[0]!.prompt.filter((t) => t < 256)).toString();
    assert.match(prompt, /Rain in Ulm\?[\s\S]*raining/);
  });
});

async function withReply(client: OpenAI): Promise<string | null> {
  const answer = await client.chat.completions.create({
    ...ask,
    messages: [
      { role: "system", content: "Be brief." },
      ...ask.messages,
      {
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [{ id: "call-1", type: "function", function: { name: "weather", arguments: '{"city":"Ulm"}' } }],
      },
      { role: "tool", tool_call_id: "call-1", content: [{ type: "text", text: "raining" }] },
    ],
  });
  return answer.choices[0]!.message.content;
}

test("response_format constrains the output; an unsupported schema keyword is named", async () => {
  await withClient({ reply: () => '{"a":1}' }, async ({ client, service, post }) => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" } },
      required: ["a"],
      additionalProperties: false,
    };
    const fields = { model: "fake", messages: ask.messages };
    const format = { type: "json_schema" as const, json_schema: { name: "answer", strict: true, schema } };
    await client.chat.completions.create({ ...fields, response_format: format });
    const constraint = service.requests[0]!.constraint!;
    assert.equal(constraint.advance(new TextEncoder().encode('{"b"')), undefined);
    assert.equal(constraint.advance(new TextEncoder().encode('{"a":1}'))?.complete, true);
    await client.chat.completions.create({ ...fields, response_format: { type: "json_object" } });
    assert.equal(service.requests[1]!.constraint!.advance(new TextEncoder().encode("[")), undefined);
    await client.chat.completions.create({ ...fields, response_format: { type: "text" } });
    assert.equal(service.requests[2]!.constraint, undefined);
    const odd = { ...schema, unevaluatedProperties: false };
    const reply = await post("/v1/chat/completions", {
      ...fields,
      response_format: { type: "json_schema", json_schema: { name: "x", schema: odd } },
    });
    assert.equal(reply.status, 400);
    assert.match(reply.body.error.message, /unevaluatedProperties/);
  });
});

test("OpenAI's runner of tools calls them and sends the results, streamed or not", async () => {
  const reply = ({ prompt }: GenerationRequest) =>
    Buffer.from(prompt.filter((t) => t < 256)).includes("raining") ? "Take an umbrella." : wrapped(call);
  await withClient({ reply }, async ({ client }) => {
    const asked: unknown[] = [];
    const tool = {
      type: "function" as const,
      function: {
        name: "weather",
        description: "Weather of a city.",
        parameters: weather.function.parameters!,
        parse: JSON.parse,
        function: (values: unknown) => {
          asked.push(values);
          return "raining";
        },
      },
    };
    const fields = { model: "fake", messages: ask.messages, tools: [tool] };
    assert.equal(await client.chat.completions.runTools(fields).finalContent(), "Take an umbrella.");
    const streaming = client.chat.completions.runTools({ ...fields, stream: true });
    assert.equal(await streaming.finalContent(), "Take an umbrella.");
    assert.deepEqual(asked, [{ city: "Ulm" }, { city: "Ulm" }]);
  });
});

test("an answer sent back with all its empty fields is taken; a tool_choice without a name is refused by path", async () => {
  await withClient({}, async ({ client, post }) => {
    const empty = { refusal: null, annotations: [], audio: null, function_call: null, tool_calls: null, parsed: null };
    const answer = { role: "assistant", content: "Yes.", ...empty };
    const messages = [...ask.messages, answer, ...ask.messages] as OpenAI.ChatCompletionMessageParam[];
    const fields = { ...ask, messages, prompt_cache_key: "k", safety_identifier: "s", service_tier: "auto" as const };
    assert.equal((await client.chat.completions.create(fields)).choices[0]!.message.content, "Hello.");
    const nameless = await post("/v1/chat/completions", { ...ask, tool_choice: { type: "function" } });
    assert.equal(nameless.status, 400);
    assert.equal(nameless.body.error.param, "tool_choice.function");
    const audible = { ...ask, messages: [...ask.messages, { ...answer, audio: { id: "a" } }] };
    assert.match((await post("/v1/chat/completions", audible)).body.error.message, /audio/);
  });
});
