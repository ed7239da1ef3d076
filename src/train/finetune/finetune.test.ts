/** Adapters trained on a small model: the loss falls, what is served is what was trained, conversations are cut where they should be. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "../../core/errors.ts";
import { openDevice } from "../../device/open.ts";
import { openAdapter, withAdapters } from "../../model/adapter.ts";
import { loadRunner } from "../../model/load.ts";
import { openCheckpoint } from "../../model/open.ts";
import { deviceMachine } from "../device-machine.ts";
import { machineFiles, writeWhole } from "../files.ts";
import { openAdapterStep } from "./adapter-step.ts";
import { parseConversations, taught } from "./conversations.ts";
import { adapterParts } from "./export.ts";

const fixture = (path: string): string => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url));
const ask = (question: string, answer: string) => [
  { role: "user" as const, content: question },
  { role: "assistant" as const, content: answer },
];

test("answers are learnt, with what ends them, and nothing else", async () => {
  const model = await openCheckpoint(fixture("architecture/gemma3/"));
  const { tokenizer } = model;
  const one = taught(model, [...ask("a b", "cab"), ...ask("b", "bc")], 64)!;
  const answered = one.answers.map((place) => one.tokens[place]!);
  const decoded = tokenizer.decode(answered);
  assert.match(decoded, /cab.*bc/s);
  assert.doesNotMatch(decoded, /a b/);
  assert.deepEqual(taught(model, ask("a b", "cab"), 2), undefined);
  const cut = taught(model, ask("a b", "cabcabcab"), one.answers[0]! + 2)!;
  assert.equal(cut.answers.length, 2);
  model.close();
});

test("lines that are no conversations are named", () => {
  const refused = (source: string, message: RegExp): void =>
    assert.throws(
      () => parseConversations("x.jsonl", source),
      (e) => e instanceof UserError && message.test(e.message),
    );
  refused("", /no conversations/);
  refused('{"prompt":"a","completion":"b"}\n{', /line 2: it is not JSON/);
  refused('{"prompt":"a"}', /line 1: it has neither/);
  refused('{"messages":[{"role":"user","content":"a"}]}', /line 1: no message is the assistant's/);
  assert.equal(parseConversations("x.jsonl", '\n{"prompt":"a","completion":"b"}\n').length, 1);
});

for (const name of ["gemma3", "llama"]) {
  test(`${name}: the loss falls, and the adapter that is served has the loss that was trained`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-finetune-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const checkpoint = await openCheckpoint(fixture(`architecture/${name}/`));
    const device = await openDevice(undefined, { threads: 2, scratchBytes: 1 << 22 });
    const options = {
      checkpoint,
      targets: ["attention.q", "attention.v", "feedForward.down"],
      rank: 4,
      alpha: 8,
      batch: 2,
      length: 32,
      rows: 24,
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, clip: 1 },
      schedule: { kind: "constant", peak: 1e-2, last: 0, warmup: 0, steps: 30 } as const,
      seed: 3,
    };
    const step = await openAdapterStep(deviceMachine(device), options);
    const batch = [ask("a", "abc"), ask("b", "cba")].map((c) => taught(checkpoint, c, 32)!);
    const before = await step.evaluate!(batch);
    for (let number = 1; number <= 30; number++) assert.ok(Number.isFinite((await step.run(batch, number)).loss));
    const after = await step.evaluate!(batch);
    assert.ok(after < 0.7 * before, `${before} to ${after}`);

    const path = join(folder, "adapter.safetensors");
    await writeWhole(machineFiles, path, await adapterParts(step, options));
    const adapted = withAdapters(checkpoint, new Map([["taught", await openAdapter(path, checkpoint)]]));
    const runner = await loadRunner(adapted, { threads: 1, context: 64, blocks: 8, exact: true });
    let [loss, count] = [0, 0];
    for (const { tokens, answers } of batch) {
      const { rows } = await runner.step([
        { tokens, start: 0, blocks: [0, 1], outputs: tokens.length, adapter: "taught" },
      ]);
      for (const place of answers) {
        const { logits } = rows[place - 1]!;
        const most = logits.reduce((a, b) => Math.max(a, b));
        loss += Math.log(logits.reduce((n, x) => n + Math.exp(x - most), 0)) + most - logits[tokens[place]!]!;
        count++;
      }
    }
    // Training rounds what it multiplies to bf16; serving, here, does not.
    assert.ok(Math.abs(loss / count - after) < 0.05 * after, `${loss / count} is served, ${after} was trained`);
    await runner.close();
    await step.close();
    await device.close();
    checkpoint.close();
  });
}
