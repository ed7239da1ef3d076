import assert from "node:assert/strict";
import { test } from "node:test";
import { withClient } from "../../test/http-client.ts";

const ask = { model: "fake", messages: [{ role: "user" as const, content: "Hi" }] };

test("a chat answers with text, a reason, and usage counted from events", async () => {
  await withClient({ cachedTokens: 2 }, async ({ client, service }) => {
    const answer = await client.chat.completions.create({ ...ask, max_completion_tokens: 20, temperature: 0, seed: 7 });
    assert.match(answer.id, /^chatcmpl-/);
    assert.equal(answer.choices[0]!.message.content, "Hello.");
    assert.equal(answer.choices[0]!.finish_reason, "stop");
    const prompt = service.requests[0]!.prompt.length;
    // Six bytes of text, and the token that ends it.
    assert.deepEqual(answer.usage, {
      prompt_tokens: prompt,
      completion_tokens: 7,
      total_tokens: prompt + 7,
      prompt_tokens_details: { cached_tokens: 2 },
    });
    assert.equal(service.requests[0]!.tokensMax, 20);
    assert.deepEqual(service.requests[0]!.sampling, { temperature: 0, seed: 7 });
  });
});

test("a stream sends the role first, whole characters, the reason, then the usage", async () => {
  await withClient({ reply: () => "né 👩🏽‍🚀" }, async ({ client }) => {
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.deepEqual(chunks[0]!.choices[0]!.delta, { role: "assistant", content: "" });
    assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), "né 👩🏽‍🚀");
    assert.equal(chunks.at(-2)!.choices[0]!.finish_reason, "stop");
    assert.deepEqual(chunks.at(-1)!.choices, []);
    assert.equal(chunks.at(-1)!.usage!.completion_tokens, new TextEncoder().encode("né 👩🏽‍🚀").length + 1);
    assert.ok(chunks.slice(0, -1).every((c) => c.usage === null));
    assert.ok(chunks.every((c) => !JSON.stringify(c).includes("\ufffd")));
  });
});

test("n choices come apart again, streamed or not", async () => {
  await withClient({ reply: (_, choice) => ["one", "second", "3"][choice]! }, async ({ client }) => {
    const answer = await client.chat.completions.create({ ...ask, n: 3 });
    assert.deepEqual(
      answer.choices.map((c) => [c.index, c.message.content]),
      [
        [0, "one"],
        [1, "second"],
        [2, "3"],
      ],
    );
    const texts = ["", "", ""];
    for await (const chunk of await client.chat.completions.create({ ...ask, n: 3, stream: true })) {
      for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? "";
    }
    assert.deepEqual(texts, ["one", "second", "3"]);
  });
});

test("every sampling field arrives at the engine, a missing seed is drawn, max_tokens is heeded", async () => {
  await withClient({}, async ({ client, service }) => {
    const fields = { top_k: 5, min_p: 0.1, repetition_penalty: 1.5, ignore_eos: true };
    const answer = await client.chat.completions.create({
      ...ask,
      ...fields,
      max_tokens: 3,
      top_p: 0.9,
      temperature: 0.5,
      stop: ["lo", "zz"],
      presence_penalty: 0.25,
      frequency_penalty: -0.5,
      logit_bias: { "12": -100 },
      user: "me",
      metadata: { a: "b" },
      store: false,
    });
    assert.equal(answer.choices[0]!.message.content, "Hel");
    const { sampling, ...request } = service.requests[0]!;
    const { seed, ...rest } = sampling;
    assert.ok(Number.isSafeInteger(seed));
    assert.deepEqual(rest, {
      temperature: 0.5,
      topK: 5,
      topP: 0.9,
      minP: 0.1,
      presencePenalty: 0.25,
      frequencyPenalty: -0.5,
      repetitionPenalty: 1.5,
      logitBias: new Map([[12, -100]]),
    });
    assert.deepEqual(request.stop, ["lo", "zz"]);
    assert.equal(request.ignoreEos, true);
    await client.chat.completions.create({ ...ask, max_tokens: 3 });
    assert.notEqual(service.requests[1]!.sampling.seed, seed);
    await client.chat.completions.create({ ...ask, stop: "l" });
    assert.deepEqual(service.requests[2]!.stop, ["l"]);
  });
});

test("a choice cut by max_tokens ends by length", async () => {
  await withClient({}, async ({ client }) => {
    const answer = await client.chat.completions.create({ ...ask, max_tokens: 2 });
    assert.equal(answer.choices[0]!.finish_reason, "length");
    assert.equal(answer.choices[0]!.message.content, "He");
    assert.equal(answer.usage!.completion_tokens, 2);
  });
});

test("without max_tokens a request may get all that there is room for, and of several choices each its share", async () => {
  await withClient({}, async ({ client, service }) => {
    for (const n of [1, 4]) await client.chat.completions.create({ ...ask, n });
    const [one, four] = service.requests;
    assert.equal(one!.tokensMax, service.context - one!.prompt.length);
    assert.equal(four!.tokensMax, service.roomFor(four!.prompt.length, 4));
    assert.ok(four!.tokensMax < one!.tokensMax);
  });
});

test("log-probabilities list the tokens of the text with their bytes and alternatives", async () => {
  await withClient({ reply: () => "hé" }, async ({ client }) => {
    const answer = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 });
    const content = answer.choices[0]!.logprobs!.content!;
    assert.deepEqual(content[0], {
      token: "h",
      logprob: -0.5,
      bytes: [104],
      top_logprobs: [
        { token: "h", logprob: -0.5, bytes: [104] },
        { token: "A", logprob: -1.5, bytes: [65] },
      ],
    });
    assert.deepEqual(
      content.map((c) => c.bytes),
      [[104], [0xc3], [0xa9]],
    );
    const seen = [];
    for await (const chunk of await client.chat.completions.create({ ...ask, logprobs: true, stream: true })) {
      for (const entry of chunk.choices[0]!.logprobs?.content ?? []) seen.push(entry.bytes);
    }
    assert.deepEqual(seen, [[104], [0xc3], [0xa9]]);
  });
});

test("a failure in mid-stream is an error event, and the server lives", async () => {
  await withClient({ failure: { at: 2, error: new Error("bug: cosmic ray") } }, async ({ client, failures }) => {
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    let text = "";
    await assert.rejects(
      async () => {
        for await (const chunk of stream) text += chunk.choices[0]!.delta.content ?? "";
      },
      (error: Error) => /its log says why/.test(error.message) && !/cosmic/.test(error.message),
    );
    assert.equal(text, "He");
    assert.match(failures.join(), /cosmic ray/);
    assert.equal((await client.models.list()).data.length, 1);
  });
});
