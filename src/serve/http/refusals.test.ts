/** What a client may get wrong, and the answer that names it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../core/errors.ts";
import { exchangeRaw, withClient } from "../../test/http-client.ts";
import { until } from "../../test/until.ts";
import { createServer } from "../http.ts";

const chat = "/v1/chat/completions";
const hi = { model: "fake", messages: [{ role: "user", content: "Hi" }] };
const text = { model: "fake", prompt: "Hi" };

/** [path, body, status, what the message must say, param, code] */
type Refusal = readonly [string, unknown, number, RegExp, string | null, string?];

const tool = { type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } };

const refusals: readonly Refusal[] = [
  [chat, "{", 400, /not valid JSON/, null, "invalid_json"],
  [chat, "", 400, /empty/, null, "invalid_json"],
  [chat, "[1]", 400, /must be a JSON object, not an array/, null, "invalid_json"],
  [chat, "\ufeff{}", 400, /not valid JSON/, null, "invalid_json"],
  [chat, Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), 400, /not valid UTF-8/, null, "invalid_utf8"],
  [
    chat,
    '{"model":"fake","messages":[{"role":"user","content":"\\ud800"}]}',
    400,
    /lone surrogate/,
    "messages[0].content",
    "invalid_unicode",
  ],
  [chat, `${"[".repeat(200_000)}`, 400, /not valid JSON/, null, "invalid_json"],
  [chat, {}, 400, /Missing required field 'model'/, "model", "missing_required_parameter"],
  [chat, { model: "fake" }, 400, /Missing required field 'messages'/, "messages"],
  [chat, { ...hi, messages: [] }, 400, /messages/, "messages"],
  [chat, { ...hi, messages: "hi" }, 400, /expected array, got a string/, "messages", "invalid_type"],
  [chat, { ...hi, messages: [{ role: "user" }] }, 400, /messages\[0\]\.content/, "messages[0].content"],
  [chat, { ...hi, messages: [{ role: "robot", content: "x" }] }, 400, /messages\[0\]\.role/, "messages[0].role"],
  [chat, { ...hi, messages: [{ role: "user", content: 5 }] }, 400, /messages\[0\]\.content/, "messages[0].content"],
  [
    chat,
    { ...hi, messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    400,
    /messages\[0\]\.content\[0\]/,
    "messages[0].content[0].type",
  ],
  [chat, { ...hi, model: "other" }, 404, /'other' does not exist; this server has 'fake'/, "model", "model_not_found"],
  [chat, { ...hi, best_of: 2 }, 400, /Unsupported field "best_of"/, "best_of", "unsupported_field"],
  [chat, { ...hi, temperature: "hot" }, 400, /expected number, got a string/, "temperature", "invalid_type"],
  [chat, { ...hi, temperature: 2.5 }, 400, /temperature/, "temperature"],
  [chat, { ...hi, temperature: -0.1 }, 400, /temperature/, "temperature"],
  [chat, { ...hi, top_p: 1.1 }, 400, /top_p/, "top_p"],
  [chat, { ...hi, top_k: 1.5 }, 400, /top_k/, "top_k"],
  [chat, { ...hi, n: 0 }, 400, /'n'/, "n"],
  [chat, { ...hi, n: 129 }, 400, /'n'/, "n"],
  [chat, { ...hi, seed: 1.5 }, 400, /seed/, "seed"],
  [chat, { ...hi, max_tokens: 0 }, 400, /max_tokens/, "max_tokens"],
  [chat, { ...hi, presence_penalty: 3 }, 400, /presence_penalty/, "presence_penalty"],
  [chat, { ...hi, stop: [""] }, 400, /stop/, "stop[0]"],
  [chat, { ...hi, stop: Array(17).fill("x") }, 400, /stop/, "stop"],
  [chat, { ...hi, logit_bias: { x: 1 } }, 400, /logit_bias/, "logit_bias.x"],
  [chat, { ...hi, logit_bias: { "1": 101 } }, 400, /logit_bias/, "logit_bias.1"],
  [chat, { ...hi, logit_bias: { "258": 1 } }, 400, /vocabulary has 258/, "logit_bias"],
  [chat, { ...hi, logit_bias: [1] }, 400, /logit_bias/, "logit_bias", "invalid_type"],
  [chat, { ...hi, stream: "yes" }, 400, /stream/, "stream", "invalid_type"],
  [chat, { ...hi, stream_options: { include_usage: true } }, 400, /stream: true/, "stream_options"],
  [
    chat,
    { ...hi, stream: true, stream_options: { x: 1 } },
    400,
    /Unsupported field "stream_options.x"/,
    "stream_options.x",
  ],
  [chat, { ...hi, top_logprobs: 2 }, 400, /logprobs: true/, "top_logprobs"],
  [chat, { ...hi, logprobs: true, top_logprobs: 21 }, 400, /top_logprobs/, "top_logprobs"],
  [chat, { ...hi, store: true }, 400, /stores nothing/, "store"],
  [chat, { ...hi, tool_choice: "required" }, 400, /needs 'tools'/, "tool_choice"],
  [chat, { ...hi, tools: [tool, tool] }, 400, /two functions named 'f'/, "tools"],
  [
    chat,
    { ...hi, tools: [tool], tool_choice: { type: "function", function: { name: "g" } } },
    400,
    /'g', which is not in 'tools'/,
    "tool_choice",
  ],
  [chat, { ...hi, response_format: { type: "xml" } }, 400, /response_format.type/, "response_format.type"],
  [chat, { ...hi, response_format: { type: "json_object" }, stop: "x" }, 400, /cut the JSON/, "stop"],
  [chat, { ...hi, response_format: { type: "json_object" }, ignore_eos: true }, 400, /ignore_eos/, "ignore_eos"],
  [
    chat,
    { ...hi, response_format: { type: "json_object" }, tools: [tool] },
    400,
    /tool_choice: "none"/,
    "response_format",
  ],
  ["/v1/completions", { model: "fake" }, 400, /Missing required field 'prompt'/, "prompt"],
  ["/v1/completions", { ...text, prompt: [] }, 400, /empty list/, "prompt"],
  ["/v1/completions", { ...text, prompt: ["a", 5] }, 400, /prompt\[1\]/, "prompt[1]"],
  ["/v1/completions", { ...text, prompt: [1, 999] }, 400, /999; token ids are integers from 0 to 257/, "prompt[1]"],
  ["/v1/completions", { ...text, prompt: [[1.5]] }, 400, /1\.5/, "prompt[0][0]"],
  ["/v1/completions", { ...text, prompt: [[]] }, 400, /empty/, "prompt"],
  ["/v1/completions", { ...text, prompt: ["a", "b"], n: 65 }, 400, /130 choices/, "n"],
  ["/v1/completions", { ...text, echo: true }, 400, /echo is not supported/, "echo"],
  ["/v1/completions", { ...text, logprobs: 6 }, 400, /logprobs/, "logprobs"],
  ["/v1/completions", { ...text, suffix: "x" }, 400, /Unsupported field "suffix"/, "suffix"],
  [
    "/v1/completions",
    { ...text, prompt: "x".repeat(300) },
    400,
    /context is 128 tokens/,
    "prompt",
    "context_length_exceeded",
  ],
  [
    "/v1/completions",
    { ...text, prompt: "x".repeat(140) },
    400,
    /128 tokens; the prompt has 141/,
    "prompt",
    "context_length_exceeded",
  ],
  [
    "/v1/completions",
    { ...text, max_tokens: 500 },
    400,
    /requested 503: 3 in the prompt and 500/,
    "prompt",
    "context_length_exceeded",
  ],
  ["/v1/embeddings", { model: "fake", input: "x", dimensions: 3 }, 400, /Unsupported field "dimensions"/, "dimensions"],
  ["/v1/embeddings", { model: "fake", input: "x", encoding_format: "hex" }, 400, /encoding_format/, "encoding_format"],
  ["/v1/embeddings", { model: "fake", input: [[]] }, 400, /nothing to embed/, "input"],
  ["/v1/nothing", {}, 404, /no \/v1\/nothing/, null, "unknown_url"],
  ["/v1/models", {}, 405, /use GET/, null, "method_not_allowed"],
];

test("each mistake gets its status, a message with the values, the param and the code", async () => {
  await withClient({ context: 128 }, async ({ post, service }) => {
    for (const [path, body, status, message, param, code] of refusals) {
      const reply = await post(path, body);
      const { error } = reply.body;
      const what = `${JSON.stringify(body).slice(0, 100)} → ${JSON.stringify(error)}`;
      assert.equal(reply.status, status, what);
      assert.match(error.message, message, what);
      assert.equal(error.param, param, what);
      assert.equal(error.type, "invalid_request_error", what);
      if (code !== undefined) assert.equal(error.code, code, what);
    }
    assert.equal(service.requests.length, 0);
    assert.equal((await post(chat, { ...hi, seed: null, stop: null })).status, 200);
  });
});

test("a body in another type, charset or encoding is a 415", async () => {
  await withClient({}, async ({ post }) => {
    for (const headers of [
      { "content-type": "text/plain" },
      { "content-type": "application/json; charset=latin1" },
      { "content-encoding": "gzip" },
      { "content-type": ";;;" },
    ] as Record<string, string>[]) {
      assert.equal((await post(chat, hi, headers)).status, 415, JSON.stringify(headers));
    }
    assert.equal((await post(chat, hi, { "content-type": 'Application/JSON; charset="UTF-8"' })).status, 200);
  });
});

test("a body beyond the limit is refused before it has arrived, declared or not", async () => {
  await withClient(
    {},
    async ({ url, post }) => {
      const head = `POST ${chat} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n`;
      const answers = Promise.all([
        // Nothing of the 50 MB is sent: the answer comes all the same.
        firstLine(url, `${head}content-length: 52428800\r\n\r\n`),
        firstLine(url, `${head}transfer-encoding: chunked\r\n\r\n5dc\r\n${"x".repeat(1500)}\r\n`),
      ]);
      assert.deepEqual(await answers, ["HTTP/1.1 413 Payload Too Large", "HTTP/1.1 413 Payload Too Large"]);
      const large = await post(chat, { ...hi, user: "x".repeat(50 * 1024 * 1024) });
      assert.equal(large.status, 413);
      assert.equal(large.body.error.code, "body_too_large");
      assert.equal((await post(chat, hi)).status, 200);
    },
    { bodyLimitBytes: 1000 },
  );
});

async function firstLine(url: string, bytes: string): Promise<string> {
  return (await exchangeRaw(url, bytes, "first")).split("\r\n")[0]!;
}

test("bytes that are no HTTP get a 400, a body that dawdles a 408, and the server lives", async () => {
  await withClient(
    {},
    async ({ url, post }) => {
      assert.match(
        await exchangeRaw(url, "GARBAGE\r\n\r\n"),
        /^HTTP\/1\.1 400 Bad Request[\s\S]*"code":"invalid_http"/,
      );
      const big = `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`;
      assert.match(await exchangeRaw(url, big), /^HTTP\/1\.1 431/);
      const slow = `POST ${chat} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"mo`;
      assert.match(await exchangeRaw(url, slow), /^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/);
      assert.equal((await post(chat, hi)).status, 200);
    },
    { requestTimeoutSeconds: 0.2 },
  );
});

test("a full queue is a 429 that says when to come back, and cancels what it had started", async () => {
  await withClient({ queueMax: 2, tokenMilliseconds: 1 }, async ({ post, service, client }) => {
    const reply = await post("/v1/completions", { ...text, prompt: ["a", "b", "c"] });
    assert.equal(reply.status, 429);
    assert.equal(reply.headers.get("retry-after"), "3");
    assert.equal(reply.body.error.type, "rate_limit_error");
    assert.equal(service.cancelled, 2);
    await until(() => service.status().running === 0);
    await assert.rejects(client.completions.create({ ...text, prompt: ["a", "b", "c"], stream: true }), /429/);
    assert.equal((await client.completions.create(text)).choices[0]!.text, "Hello.");
  });
});

test("a port in use is the user's to change", async () => {
  await withClient({}, async ({ url, service }) => {
    const second = createServer({ service });
    await assert.rejects(second.listen("127.0.0.1", Number(new URL(url).port)), (error: Error) => {
      return error instanceof UserError && /in use\.\n {2}Choose another with --port/.test(error.message);
    });
    await second.close();
  });
});

test("with a key, /v1 is closed to others; health and metrics stay open", async () => {
  await withClient(
    {},
    async ({ client, url, post }) => {
      assert.equal(
        (await client.chat.completions.create({ model: "fake", messages: [{ role: "user", content: "x" }] })).choices
          .length,
        1,
      );
      const missing = await post(chat, hi);
      assert.equal(missing.status, 401);
      assert.equal(missing.body.error.code, "missing_api_key");
      for (const authorization of ["Bearer secre", "Bearer secrets", "Basic secret", "Bearer"]) {
        assert.equal((await post(chat, hi, { authorization })).status, 401, authorization);
      }
      for (const path of ["/v1/models", "/%76%31/models", "/v1/nothing"]) {
        assert.equal((await fetch(url + path)).status, 401, path);
      }
      for (const path of ["/health", "/metrics", "/"]) assert.equal((await fetch(url + path)).status, 200);
    },
    { apiKey: "secret" },
  );
});

test("whatever JSON comes, the answer is a success or a refusal, and never a failure of ours", async () => {
  const fields = [
    "model",
    "messages",
    "prompt",
    "input",
    "stop",
    "tools",
    "tool_choice",
    "logit_bias",
    "response_format",
  ];
  const key = fc.constantFrom(...fields, "n", "seed", "stream", "temperature", "__proto__", "constructor");
  const body = fc.dictionary(key, fc.jsonValue(), { maxKeys: 6 });
  await withClient({}, async ({ url, failures }) => {
    const property = fc.asyncProperty(
      body,
      fc.constantFrom(chat, "/v1/completions", "/v1/embeddings"),
      async (extra, path) => {
        const base = path === chat ? hi : path === "/v1/completions" ? text : { model: "fake", input: "x" };
        for (const sent of [extra, { ...base, ...extra }]) {
          const response = await fetch(url + path, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(sent),
          });
          await response.text();
          assert.ok(response.status < 500, `${response.status} for ${JSON.stringify(sent)}`);
        }
      },
    );
    await fc.assert(property, { numRuns: 150 });
    assert.deepEqual(failures, []);
  });
});
