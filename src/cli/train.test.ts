/** `heddle train` from a text to a model that generates: resumed, interrupted, refused; metrics, a curve, held-out loss. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runHeddle, startHeddle } from "../test/heddle-process.ts";
import { until } from "../test/until.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-train-cli-"));
after(() => rmSync(folder, { recursive: true }));

const recipe = {
  name: "weaver",
  data: { text: "loom.txt", heldOut: 0.1 },
  tokenizer: { vocabulary: 272 },
  model: { layers: 1, width: 32, heads: 2, context: 16 },
  training: { steps: 30, batch: 4, accumulate: 2, learningRate: 1e-2, warmup: 3 },
  checkpoints: { every: 10, keep: 2 },
  evaluate: { every: 15, batches: 2 },
  output: { type: "F32" },
};
writeFileSync(join(folder, "loom.txt"), "the weft goes over the warp and under the warp, over and under. ".repeat(60));
writeFileSync(join(folder, "weaver.json"), JSON.stringify(recipe));
const path = join(folder, "weaver.json");

const train = (...words: readonly string[]) => runHeddle(["train", path, "--threads", "1", ...words]);
const lines = (out: string): { step: number; loss?: number; heldOut?: number }[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a text becomes a GGUF that generates; metrics, the curve and the held-out loss are beside it", async () => {
  const { code, stdout, stderr } = await train("--json");
  assert.equal(code, 0, stderr);
  const out = join(folder, "weaver");
  const result = JSON.parse(stdout);
  assert.deepEqual([result.model, result.step], [join(out, "weaver.gguf"), 30]);
  assert.ok(result.heldOut < 2.5 && result.loss < 2.5, stdout);
  assert.match(stderr, /tokens to train on, \d+ held out, 272 in the vocabulary\n(.*\n)*step 15: held-out loss/);
  const metrics = lines(out);
  assert.deepEqual(
    metrics.filter(({ loss }) => loss !== undefined).map(({ step }) => step),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  assert.deepEqual(
    metrics.filter(({ heldOut }) => heldOut !== undefined).map(({ step }) => step),
    [15, 30],
  );
  assert.match(readFileSync(join(out, "loss.svg"), "utf8"), /^<svg .*<polyline.*<\/svg>\n$/s);
  assert.equal(readdirSync(join(out, "checkpoints")).length, 2);
  const generated = await runHeddle([
    "generate",
    result.model,
    "--prompt",
    "the weft goes",
    "--tokens",
    "4",
    "--temperature",
    "0",
  ]);
  assert.match(generated.stdout, /^ over the/, generated.stderr);
});

test("it refuses to begin anew over checkpoints, and goes on from one with the bits of a whole run", async () => {
  const again = await train();
  assert.equal(again.code, 1);
  assert.match(again.stderr, /it has checkpoints of an earlier run.*--resume/s);
  const out = join(folder, "halves");
  const half = await train("--out", out);
  assert.equal(half.code, 0, half.stderr);
  rmSync(join(out, "checkpoints", "step-000000030.safetensors"));
  const rest = await train("--out", out, "--resume");
  assert.match(rest.stderr, /going on after step 20/);
  assert.deepEqual(readFileSync(join(out, "weaver.gguf")), readFileSync(join(folder, "weaver/weaver.gguf")));
  assert.equal(lines(out).filter(({ loss }) => loss !== undefined).length, 30);
  const longer = await train("--out", out, "--resume", "--steps", "32", "--json");
  assert.equal(JSON.parse(longer.stdout).step, 32);
});

test("Ctrl-C ends the step, saves and exits with 130, SIGTERM with 143; the run goes on from there", async () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const out = join(folder, signal);
    const running = startHeddle(["train", path, "--out", out, "--steps", "100000", "--threads", "1"]);
    await until(
      () => existsSync(join(out, "checkpoints")),
      60,
      () => "folder of checkpoints",
    );
    running.child.kill(signal);
    const ended = await running.ended;
    assert.equal(ended.code, code, ended.stderr);
    const [, step] = /Stopped after step (\d+) of 100000; it is saved/.exec(ended.stderr) ?? [];
    assert.ok(readdirSync(join(out, "checkpoints")).includes(`step-${step!.padStart(9, "0")}.safetensors`), step);
    const on = await train("--out", out, "--resume", "--steps", String(Number(step) + 2));
    assert.match(on.stderr, new RegExp(`going on after step ${step}`));
    assert.equal(on.code, 0);
  }
});

test("conversations are learnt by their answers, and the file brings their template", async () => {
  const chat = Array.from({ length: 100 }, (_, i) =>
    JSON.stringify({
      messages: [
        { role: "user", content: `say ${i % 4}` },
        { role: "assistant", content: "over and under" },
      ],
    }),
  ).join("\n");
  writeFileSync(join(folder, "chat.jsonl"), chat);
  const spoken = {
    ...recipe,
    name: "talker",
    data: { chat: "chat.jsonl", heldOut: 0.1 },
    model: { ...recipe.model, context: 32 },
  };
  writeFileSync(
    join(folder, "talker.json"),
    JSON.stringify({ ...spoken, training: { ...recipe.training, steps: 50, bf16: true } }),
  );
  const { code, stdout, stderr } = await runHeddle(["train", join(folder, "talker.json"), "--json"]);
  assert.equal(code, 0, stderr);
  const { model, heldOut } = JSON.parse(stdout);
  assert.ok(heldOut < 1, stdout);
  const prompt = "<|im_start|>user\nsay 2<|im_end|>\n<|im_start|>assistant\n";
  const generated = await runHeddle(["generate", model, "--prompt", prompt, "--tokens", "20", "--temperature", "0"]);
  assert.equal(generated.stdout.trim(), "over and under");
});

test("a loss that is not finite ends the training with the step, the batch, where it began, and what is kept", async () => {
  const training = { ...recipe.training, learningRate: 1e25, schedule: "linear", warmup: 0, clip: 0 };
  writeFileSync(join(folder, "wild.json"), JSON.stringify({ ...recipe, training, checkpoints: { every: 1 } }));
  const { code, stderr } = await runHeddle(["train", join(folder, "wild.json"), "--threads", "1"]);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /Training, step \d+, batch \d+: .*(NaN|Infinity).* First not finite: (stream|loss|gradient).*, element \d+, is/,
  );
  assert.match(stderr, /checkpoints\/step-00000000\d\.safetensors is kept/);
});

test("a recipe that is wrong is refused by the field; data that are too few by their number", async () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ ...recipe, modle: {} }, /there is no field modle.*Did you mean model\?/s],
    [{ ...recipe, training: { stepps: 3 } }, /there is no field training\.stepps.*Did you mean steps\?/s],
    [{ ...recipe, model: { width: 40, heads: 4 } }, /model: width \/ heads must be a multiple of 16/],
    [{ ...recipe, data: {} }, /data: it needs text or chat/],
    [{ ...recipe, data: { text: "none.txt" } }, /Cannot read .*none\.txt: there is no such file/],
    [{ ...recipe, data: { text: "loom.txt", loader: "tfdata" } }, /data\.loader is "tfdata"/],
    [{ ...recipe, training: { batch: 4000 } }, /the data have \d+ such sequences/],
  ];
  for (const [given, message] of cases) {
    writeFileSync(join(folder, "wrong.json"), JSON.stringify(given));
    const { code, stderr } = await runHeddle(["train", join(folder, "wrong.json")]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, message);
  }
});
