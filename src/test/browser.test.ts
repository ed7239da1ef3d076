/** Policies decide anywhere: a slot with all its entries, bundled by Vite, in a real browser. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { type BatchView, batchings, type Grant } from "../serve/batching.ts";
import type { RequestView } from "../serve/request.ts";
import { openPage, skip } from "./chromium.ts";

const request = (id: number, promptTokens: number, decoding: boolean): RequestView => ({
  id,
  promptTokens,
  arrivedAt: id,
  tokensMax: 8,
  choices: 1,
  sequences: 1,
  work: decoding ? 1 : promptTokens,
  decoding,
  started: decoding,
});

const view: BatchView = {
  now: 3,
  running: [request(0, 40, true)],
  waiting: [request(1, 300, false), request(2, 20, false)],
  limits: { tokens: 256, sequences: 8 },
};

test("entries bundled by Vite decide in a browser as they do here", { skip }, async (context) => {
  const place = mkdtempSync(join(tmpdir(), "heddle-browser-"));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  await bundle(place);
  const site = await serveFiles(join(place, "out"));
  context.after(() => site.close());
  const { page, errors } = await openPage(context);
  await page.goto(site.url);
  const decide = `(async (view) => {
    const decisions = {};
    for (const id of window.batchings.ids()) decisions[id] = (await window.batchings.create(id)).next(view);
    return decisions;
  })(${JSON.stringify(view)})`;
  await page.waitForFunction("window.batchings !== undefined");
  const decided = await page.evaluate(decide);

  const here: Record<string, readonly Grant[]> = {};
  for (const id of batchings.ids()) here[id] = (await batchings.create(id)).next(view);
  assert.ok(Object.keys(here).includes("orca"));
  assert.deepEqual(decided, here);
  assert.deepEqual(errors, []);
});

async function bundle(place: string): Promise<void> {
  const slot = fileURLToPath(new URL("../serve/batching.js", import.meta.url));
  writeFileSync(
    join(place, "main.js"),
    `import { batchings } from ${JSON.stringify(slot)};\nwindow.batchings = batchings;\n`,
  );
  writeFileSync(join(place, "index.html"), `<!doctype html><script type="module" src="./main.js"></script>`);
  await build({
    root: place,
    configFile: false,
    logLevel: "silent",
    base: "./",
    build: { outDir: join(place, "out") },
  });
}

async function serveFiles(folder: string): Promise<{ readonly url: string; close(): void }> {
  const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };
  const server = createServer(({ url = "/" }, response) => {
    const path = join(folder, url === "/" ? "index.html" : url);
    if (!existsSync(path)) return void response.writeHead(404).end();
    response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream");
    response.end(readFileSync(path));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
}
