import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeBos } from "../../test/fake-service.ts";
import { withClient } from "../../test/http-client.ts";

test("a completion has text, a reason and usage, and 16 tokens unless told otherwise", async () => {
  await withClient({ reply: () => "x".repeat(40) }, async ({ client, service }) => {
    const answer = await client.completions.create({ model: "fake", prompt: "ab" });
    assert.match(answer.id, /^cmpl-/);
    assert.equal(answer.choices[0]!.text, "x".repeat(16));
    assert.equal(answer.choices[0]!.finish_reason, "length");
    assert.deepEqual(service.requests[0]!.prompt, [fakeBos, 97, 98]);
    assert.equal(answer.usage!.prompt_tokens, 3);
    assert.equal(answer.usage!.completion_tokens, 16);
  });
});

test("prompts come as text, texts, tokens or lists of tokens; choices count over prompts", async () => {
  const reply = ({ prompt }: { readonly prompt: readonly number[] }, choice: number) => `${prompt.join(".")}#${choice}`;
  await withClient({ reply }, async ({ client }) => {
    const texts = async (prompt: string | string[] | number[] | number[][], n = 1) => {
      const answer = await client.completions.create({ model: "fake", prompt, n, max_tokens: 50 });
      return answer.choices.map((c) => [c.index, c.text]);
    };
    assert.deepEqual(await texts("a"), [[0, "256.97#0"]]);
    assert.deepEqual(await texts([5, 6]), [[0, "5.6#0"]]);
    assert.deepEqual(await texts(["a", "b"], 2), [
      [0, "256.97#0"],
      [1, "256.97#1"],
      [2, "256.98#0"],
      [3, "256.98#1"],
    ]);
    assert.deepEqual(await texts([[1], [2, 3]]), [
      [0, "1#0"],
      [1, "2.3#0"],
    ]);
  });
});

test("a streamed completion is the same text in pieces", async () => {
  await withClient({ reply: ({ prompt }) => `p${prompt.length}` }, async ({ client }) => {
    const texts = ["", ""];
    const reasons = [];
    let usage: number | undefined;
    for await (const chunk of await client.completions.create({
      model: "fake",
      prompt: ["a", "bc"],
      stream: true,
      stream_options: { include_usage: true },
    })) {
      for (const choice of chunk.choices) {
        texts[choice.index] += choice.text;
        if (choice.finish_reason !== null) reasons.push(choice.finish_reason);
      }
      usage = chunk.usage?.completion_tokens;
    }
    assert.deepEqual(texts, ["p2", "p3"]);
    assert.deepEqual(reasons, ["stop", "stop"]);
    assert.equal(usage, 6);
  });
});

test("legacy log-probabilities are parallel lists; half a character is written in bytes", async () => {
  await withClient({ reply: () => "aé" }, async ({ client }) => {
    const expected = {
      tokens: ["a", "bytes:\\xc3", "bytes:\\xa9"],
      token_logprobs: [-0.5, -0.5, -0.5],
      top_logprobs: [{ a: -0.5 }, { "bytes:\\xc3": -0.5 }, { "bytes:\\xa9": -0.5 }],
      text_offset: [0, 1, 1],
    };
    const fields = { model: "fake", prompt: "q", logprobs: 1 };
    const answer = await client.completions.create(fields);
    assert.deepEqual(answer.choices[0]!.logprobs, expected);
    const streamed: unknown[] = [];
    for await (const chunk of await client.completions.create({ ...fields, stream: true })) {
      streamed.push(...(chunk.choices[0]!.logprobs?.tokens ?? []));
    }
    assert.deepEqual(streamed, expected.tokens);
  });
});

test("embeddings are unit vectors, as numbers and as base64", async () => {
  await withClient({}, async ({ client }) => {
    const fields = { model: "fake", input: ["abc", "defg"] };
    const floats = await client.embeddings.create({ ...fields, encoding_format: "float" });
    assert.deepEqual(
      floats.data.map((d) => d.index),
      [0, 1],
    );
    assert.ok(Math.abs(floats.data[0]!.embedding[0]! - 0.6) < 1e-6);
    assert.equal(floats.usage.prompt_tokens, 4 + 5);
    // The client asks for base64 by itself, and decodes it.
    const decoded = await client.embeddings.create(fields);
    assert.deepEqual([...decoded.data[0]!.embedding], floats.data[0]!.embedding);
    const tokens = await client.embeddings.create({ model: "fake", input: [[7, 8]], encoding_format: "float" });
    assert.ok(Math.abs(tokens.data[0]!.embedding[3]! - 12 / 13) < 1e-6);
  });
});

test("models are listed and found by name", async () => {
  await withClient({ context: 512 }, async ({ client }) => {
    const { data } = await client.models.list();
    assert.deepEqual(
      data.map((m) => m.id),
      ["fake"],
    );
    assert.equal((await client.models.retrieve("fake")).object, "model");
    await assert.rejects(client.models.retrieve("org/other"), /404.*org\/other/);
  });
});
