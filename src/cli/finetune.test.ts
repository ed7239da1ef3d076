/** `heddle finetune` from conversations to an adapter that `heddle serve` answers with; killed and gone on with on the way. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startHeddle } from "../test/heddle-process.ts";

const model = fileURLToPath(new URL("../../fixtures/architecture/gemma3/", import.meta.url));

function conversations(path: string): void {
  const words = ["a", "b", "c", "ab", "ba", "ca", "bc", "cab", "abc", "bca"];
  const lines = words.map((word) => JSON.stringify({ prompt: word, completion: `${word}cc` }));
  writeFileSync(path, `${lines.join("\n")}\n`);
}

test("an adapter is trained, stopped and gone on with to the same bits, and served beside the model", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-finetune-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const data = join(folder, "words.jsonl");
  conversations(data);
  const words = ["finetune", model, "--data", data, "--lora", "4", "--batch", "3", "--learning-rate", "0.01", "--json"];
  const whole = await startHeddle([...words, "--steps", "60", "--out", join(folder, "whole")]).ended;
  assert.equal(whole.code, 0, whole.stderr);
  const { adapter, heldOut, step } = JSON.parse(whole.stdout);
  assert.equal(step, 60);
  assert.ok(heldOut.after < heldOut.before, `${heldOut.before} to ${heldOut.after}`);
  assert.ok(existsSync(join(folder, "whole", "metrics.jsonl")) && existsSync(join(folder, "whole", "loss.svg")));

  const again = startHeddle([...words, "--steps", "60", "--out", join(folder, "again")]);
  while (!existsSync(join(folder, "again", "checkpoints", "step-000000050.safetensors"))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  again.child.kill("SIGKILL");
  await again.ended;
  const refused = await startHeddle([...words, "--steps", "60", "--out", join(folder, "again")]).ended;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /--resume/);
  const resumed = await startHeddle([...words, "--steps", "60", "--out", join(folder, "again"), "--resume"]).ended;
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.deepEqual(readFileSync(JSON.parse(resumed.stdout).adapter), readFileSync(adapter));

  const server = startHeddle(["serve", model, "--port", "0", "--adapter", `words=${adapter}`]);
  const [, url] = await server.said(/(http:\/\/\S+)\/v1/);
  const ask = async (name: string): Promise<string> => {
    const body = { model: name, messages: [{ role: "user", content: "ab" }], max_tokens: 8, temperature: 0 };
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
    return ((await answer.json()) as { choices: [{ message: { content: string } }] }).choices[0].message.content;
  };
  assert.notEqual(await ask("words"), await ask("gemma3"));
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
});

test("what cannot be trained on is refused by name", async () => {
  const end = await startHeddle(["finetune", model, "--data", "/nonexistent.jsonl"]).ended;
  assert.equal(end.code, 1);
  assert.match(end.stderr, /nonexistent\.jsonl/);
  const targets = await startHeddle(["finetune", model, "--data", "x", "--targets", "q,z"]).ended;
  assert.match(targets.stderr, /there is no "z"/);
});
