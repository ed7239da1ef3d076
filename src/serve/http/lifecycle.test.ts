/** Clients that leave, dawdle or stay while the server goes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { withClient } from "../../test/http-client.ts";
import { until } from "../../test/until.ts";

const ask = { model: "fake", messages: [{ role: "user" as const, content: "Hi" }] };
const endless = { reply: () => "x".repeat(100_000), tokenMilliseconds: 1, context: 200_000 };

test("a streaming client that hangs up cancels its generation", async () => {
  await withClient(endless, async ({ client, service }) => {
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]!.delta.content) break;
    await until(() => service.cancelled === 1);
    assert.equal(service.status().running, 0);
  });
});

test("a client that hangs up before its answer cancels its generation, all prompts of it", async () => {
  await withClient(endless, async ({ client, service }) => {
    const abort = new AbortController();
    const fields = { model: "fake", prompt: ["a", "b"], max_tokens: 50_000 };
    const answer = client.completions.create(fields, { signal: abort.signal });
    await until(() => service.produced > 10);
    abort.abort();
    await assert.rejects(answer);
    await until(() => service.cancelled === 2);
    assert.equal(service.status().running, 0);
  });
});

test("a failure of one prompt of several cancels the others", async () => {
  const failing = { ...endless, failure: { at: 5, error: new Error("bug: broken") } };
  await withClient(failing, async ({ client, service }) => {
    await assert.rejects(client.completions.create({ model: "fake", prompt: ["a", "b"], max_tokens: 50_000 }), /500/);
    assert.equal(service.cancelled, 1);
    assert.equal(service.status().running, 0);
  });
});

test("a client that reads nothing holds a bounded buffer, others go on, and it is cut at last", async () => {
  const options = { stallTimeoutSeconds: 0.5 };
  const flood = { reply: () => "x".repeat(60_000), context: 200_000 };
  await withClient(
    flood,
    async ({ url, client, service }) => {
      const body = JSON.stringify({ ...ask, stream: true });
      const { hostname, port } = new URL(url);
      const socket = net.connect({ host: hostname, port: Number(port) });
      const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
      socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
      socket.pause();
      await until(() => service.produced > 0);
      // What the kernel buffers is gone from us; beyond it no more tokens are taken.
      let before = -1;
      await until(() => before === (before = service.produced));
      assert.ok(service.produced < 60_000, `${service.produced} tokens were taken for a client that reads none`);
      const other = await client.chat.completions.create({ ...ask, max_tokens: 5 });
      assert.equal(other.choices[0]!.message.content, "xxxxx");
      await until(() => service.cancelled === 1);
      socket.destroy();
      assert.equal(service.status().running, 0);
    },
    options,
  );
});

test("draining finishes what runs, refuses what comes, closes idle connections, then ends", async () => {
  await withClient({ reply: () => "x".repeat(100), tokenMilliseconds: 2 }, async ({ client, server, service, url }) => {
    const agent = new http.Agent({ keepAlive: true });
    await get(agent, `${url}/health`);
    assert.equal(Object.keys(agent.freeSockets).length, 1, "one connection is kept alive");
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    let drained = false;
    let draining: Promise<void> | undefined;
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]!.delta.content ?? "";
      if (text.length < 3 || draining !== undefined) continue;
      draining = server.drain().then(() => {
        drained = true;
      });
      await until(() => Object.keys(agent.freeSockets).length === 0);
      await assert.rejects(client.models.list(), /Connection error/);
      assert.equal(drained, false);
    }
    assert.equal(text, "x".repeat(100));
    await draining;
    assert.equal(service.cancelled, 0);
  });
});

test("a request on a kept connection of a draining server is a 503 that says to come back", async () => {
  await withClient({ reply: () => "x".repeat(100), tokenMilliseconds: 2 }, async ({ server, service, url }) => {
    const { hostname, port } = new URL(url);
    const socket = net.connect({ host: hostname, port: Number(port) });
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    const body = JSON.stringify(ask);
    const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    socket.write(request);
    await until(() => service.produced > 1);
    const drained = server.drain();
    socket.write(request);
    await drained;
    await until(() => socket.closed);
    assert.match(text, /^HTTP\/1\.1 200 OK[\s\S]*HTTP\/1\.1 503[\s\S]*retry-after: 5[\s\S]*"code":"shutting_down"/);
    assert.equal(service.requests.length, 1);
  });
});

test("draining does not wait for connections that ask for nothing", { timeout: 20_000 }, async () => {
  await withClient({}, async ({ server, url }) => {
    const { hostname, port } = new URL(url);
    const sockets = ["", "GET /health HTTP/1.1\r\nho"].map((begun) => {
      const socket = net.connect({ host: hostname, port: Number(port) });
      socket.write(begun);
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await fetch(`${url}/health`);
    await server.drain();
    await until(() => sockets.every((socket) => socket.closed));
  });
});

test("closing hangs up on everybody", async () => {
  await withClient(endless, async ({ client, server, service }) => {
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    await server.close();
    await assert.rejects(async () => {
      for await (const _ of stream);
    });
    await until(() => service.cancelled === 1);
  });
});

test("metrics count requests, tokens, reasons and times under vLLM's names", async () => {
  await withClient({}, async ({ client, url }) => {
    await client.chat.completions.create(ask);
    await client.completions.create({ model: "fake", prompt: ["a", "bc"], max_tokens: 2 });
    const response = await fetch(`${url}/metrics`);
    assert.match(response.headers.get("content-type")!, /^text\/plain/);
    const text = await response.text();
    const value = (name: string, labels = "") => {
      const line = new RegExp(`^vllm:${name}\\{${labels}model_name="fake"\\} (.*)$`, "m").exec(text);
      return line === null ? undefined : Number(line[1]);
    };
    assert.equal(value("generation_tokens_total"), 7 + 2 + 2);
    assert.equal(value("time_to_first_token_seconds_count"), 3);
    assert.equal(value("inter_token_latency_seconds_count"), 6 + 1 + 1);
    assert.equal(value("e2e_request_latency_seconds_count"), 3);
    assert.equal(value("request_success_total", 'finished_reason="stop",'), 1);
    assert.equal(value("request_success_total", 'finished_reason="length",'), 2);
    assert.equal(value("request_success_total", 'finished_reason="abort",'), 0);
    assert.equal(value("num_requests_running"), 0);
    assert.equal(value("kv_cache_usage_perc"), 0);
    assert.equal(value("num_preemptions_total"), 3);
    assert.equal(value("prefix_cache_hits_total"), 5);
    assert.equal(value("prefix_cache_queries_total"), 7);
    assert.equal(value("spec_decode_num_draft_tokens_total"), 11);
    assert.equal(value("spec_decode_num_accepted_tokens_total"), 9);
    const again = await (await fetch(`${url}/metrics`)).text();
    assert.match(again, /^vllm:num_preemptions_total\{model_name="fake"\} 3$/m, "scraping twice does not count twice");
  });
});

function get(agent: http.Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => response.resume().on("end", () => setImmediate(resolve)));
    request.on("error", reject);
  });
}
