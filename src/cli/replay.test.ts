import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runHeddle, serveNoise } from "../test/heddle-process.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-replay-"));
after(() => rmSync(place, { recursive: true, force: true }));
const path = join(place, "log.jsonl");

interface Replayed {
  readonly policies: Readonly<Record<string, string>>;
  readonly decisionsEqual: boolean | null;
  readonly recorded: Readonly<Record<string, number>>;
  readonly simulated: Readonly<Record<string, number>>;
}

async function replay(...words: string[]): Promise<Replayed & { readonly code: number | null }> {
  const { code, stdout, stderr } = await runHeddle(["replay", ...words, "--json"]);
  assert.notEqual(stdout, "", stderr);
  return { code, ...(JSON.parse(stdout) as Replayed) };
}

test("what a server recorded is decided again alike, and simulated with other policies", async () => {
  const server = await serveNoise(["--record", path, "--batching", "orca", "--option", "batching.batchMax=2"]);
  const secret = "the weaver's secret";
  const requests = Array.from({ length: 6 }, async (_, i) => {
    const body = JSON.stringify({ model: "noise", prompt: secret.repeat(i + 1), max_tokens: 12, ignore_eos: true });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server.url}/v1/completions`, { method: "POST", headers, body });
    assert.equal(response.status, 200);
    await response.text();
  });
  await Promise.all(requests);
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
  assert.doesNotMatch(readFileSync(path, "utf8"), /secret/);

  const same = await replay(path);
  assert.deepEqual([same.code, same.decisionsEqual, same.policies.batching], [0, true, "orca"]);
  assert.deepEqual([same.recorded.requests, same.simulated.requests], [6, 6]);
  const other = await replay(path, "--batching", "static");
  assert.deepEqual([other.code, other.decisionsEqual, other.policies.batching], [0, null, "static"]);
  assert.equal(other.simulated.requests, 6);

  // A decision that the policy would not have made is found.
  const changed = join(place, "changed.jsonl");
  writeFileSync(changed, readFileSync(path, "utf8").replace('"batchMax":2', '"batchMax":1'));
  const differs = await replay(changed);
  assert.deepEqual([differs.code, differs.decisionsEqual], [1, false]);
});

test("what is no log is refused", async () => {
  const none = join(place, "none.jsonl");
  writeFileSync(none, "{}\n");
  const { code, stderr } = await runHeddle(["replay", none]);
  assert.equal(code, 1);
  assert.match(stderr, /header/);
});
