import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noiseFile, runHeddle, serveNoise, startHeddle } from "../test/heddle-process.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-serve-"));
after(() => rmSync(place, { recursive: true, force: true }));

const complete = (url: string, tokens: number, stream = false): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "noise", prompt: "A loom", max_tokens: tokens, ignore_eos: true, stream }),
  });

const isServing = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    (response) => response.ok,
    () => false,
  );

test("it says where it serves, and a curl command that works; SIGTERM ends it with 0", async () => {
  const server = await serveNoise();
  const [, address, body] = await server.said(/^curl (\S+) .* -d '(.*)'$/m);
  const headers = { "content-type": "application/json" };
  const response = await fetch(address!, { method: "POST", headers, body: body! });
  assert.equal(response.status, 200);
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
});

test("SIGTERM lets what runs finish", async () => {
  const server = await serveNoise();
  const answer = await complete(server.url, 1500, true);
  const reader = answer.body!.getReader();
  await reader.read();
  server.child.kill("SIGTERM");
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  assert.match(text, /"finish_reason":"length"/);
  assert.match(text, /data: \[DONE\]/);
  assert.equal((await server.ended).code, 0);
});

test("a second signal ends it at once", async () => {
  const server = await serveNoise();
  // A request that is not whole yet keeps it from ending by itself; that it goes on is the word that it has begun.
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.write("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
  socket.write("content-length: 100\r\nexpect: 100-continue\r\n\r\n");
  assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 100 /);
  socket.on("error", () => {});
  server.child.kill("SIGINT");
  // Two signals at once would be one.
  while (await isServing(server.url)) await new Promise((resolve) => setTimeout(resolve, 5));
  server.child.kill("SIGINT");
  assert.equal((await server.ended).code, 130);
});

test("killed with -9, it serves again at once on the same port; a port in use is said", async () => {
  const first = await serveNoise();
  const port = new URL(first.url).port;
  const taken = await runHeddle(["serve", noiseFile, "--port", port, "--level", "wasm"]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, new RegExp(`127.0.0.1:${port}: the port is in use`));
  const answer = await complete(first.url, 4000, true);
  first.child.kill("SIGKILL");
  await first.ended;
  await answer.text().catch(() => undefined);
  const second = startHeddle(["serve", noiseFile, "--port", port, "--level", "wasm"]);
  const [, url] = await second.said(/^(http:\S+)\/v1 /m);
  assert.equal((await complete(url!, 3)).status, 200);
  second.child.kill("SIGTERM");
  assert.equal((await second.ended).code, 0);
});

test("without a model it serves the newest of the cache, else heddle-tiny, and says where bigger ones are", async () => {
  const models = join(place, "models");
  mkdirSync(models);
  const serve = async (): Promise<string> => {
    const server = startHeddle(["serve", "--level", "wasm"], { HEDDLE_HOME: place, PORT: "0" });
    await server.said(/^curl/m);
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    return stdout;
  };
  const alone = await serve();
  assert.match(alone, /models\/heddle-tiny\.gguf[\s\S]*heddle pull gemma-3-270m/);
  assert.match(alone, /^http:\S+ {2}is a page to talk with it/m);
  for (const [i, name] of ["older", "newest"].entries()) {
    copyFileSync(noiseFile, join(models, `${name}.gguf`));
    utimesSync(join(models, `${name}.gguf`), 1000 + i, 1000 + i);
  }
  const said = await serve();
  assert.ok(said.includes(join(models, "newest.gguf")), said);
  assert.doesNotMatch(said, /heddle pull/);
});

test("in an empty home heddle-tiny answers at once, with nothing fetched: a page, a sum, the curl command as printed", async () => {
  const home = mkdtempSync(join(place, "empty-"));
  // A proxy that is not there: whatever reached for the network would fail.
  const nowhere = { HTTP_PROXY: "http://127.0.0.1:9", HTTPS_PROXY: "http://127.0.0.1:9" };
  const server = startHeddle(["serve"], { HEDDLE_HOME: home, PORT: "0", ...nowhere });
  const [, address, body] = await server.said(/^curl (\S+) .* -d '(.*)'$/m);
  const { origin } = new URL(address!);
  const page = await fetch(origin, { headers: { accept: "text/html" } });
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await page.text(), /<textarea|<input/);
  const headers = { "content-type": "application/json" };
  assert.equal((await fetch(address!, { method: "POST", headers, body: body! })).status, 200);
  const messages = [{ role: "user", content: "What is 34 + 25?" }];
  const asked = { method: "POST", headers, body: JSON.stringify({ model: "heddle-tiny", messages, temperature: 0 }) };
  const answer = (await (await fetch(`${origin}/v1/chat/completions`, asked)).json()) as {
    readonly choices: readonly { readonly message: { readonly content: string } }[];
  };
  assert.equal(answer.choices[0]!.message.content, "34 + 25 = 54 + 5 = 59.");
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
  // Compiled programs may be kept there, and no model.
  assert.equal(existsSync(join(home, "models")), false);
});

test("a key is asked for where one was given", async () => {
  const server = await serveNoise(["--api-key", "secret"]);
  assert.equal((await complete(server.url, 1)).status, 401);
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
});
