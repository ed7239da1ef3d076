import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noiseFile, runHeddle, startHeddle } from "../test/heddle-process.ts";

const home = mkdtempSync(join(tmpdir(), "heddle-tune-"));
after(() => rmSync(home, { recursive: true }));
const environment = { HEDDLE_HOME: home };
const file = join(home, "tuning", "tiles.jsonl");
const recorded = (): string[] => readFileSync(file, "utf8").split("\n").filter(Boolean);
const trialsIn = (lines: readonly string[]): number => lines.filter((line) => line.includes('"chosen":false')).length;

interface Report {
  readonly records: string;
  readonly kernels: readonly {
    readonly kernel: string;
    readonly analyticalSeconds: number;
    readonly tunedSeconds: number;
  }[];
  readonly steps: readonly { readonly tokens: number; readonly before: number; readonly after: number }[];
}

const tune = (...words: readonly string[]) =>
  runHeddle(["tune", noiseFile, "--level", "wasm", "--threads", "1", ...words], environment);

test("tunes each product of each class, keeps what it finds, goes on from it, and later runs give the same", async () => {
  const prompt = ["generate", noiseFile, "--level", "wasm", "--prompt", "ab", "--tokens", "4", "--temperature", "0"];
  const before = await runHeddle(prompt, environment);
  const first = await tune("--tuner", "random", "--trials", "1", "--json");
  assert.equal(first.code, 0, first.stderr);
  const { records, kernels, steps } = JSON.parse(first.stdout) as Report;
  assert.equal(records, file);
  assert.ok(kernels.length > 6 && kernels.every((k) => k.tunedSeconds <= k.analyticalSeconds));
  assert.deepEqual(
    steps.map((s) => s.tokens),
    [1, 8, 128].slice(0, steps.length),
  );
  const trials = trialsIn(recorded());
  assert.ok(trials > 0 && recorded().length === trials + kernels.length);

  // A line cut off in its midst, and one that is no record.
  appendFileSync(file, '{"version":1,"level":"wa');
  const again = await tune("--tuner", "random", "--trials", "2", "--no-step");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /trials are recorded, \d+ to go/);
  assert.match(again.stdout, /^decode: products of a step [\d.]+× as fast/m);
  assert.equal(trialsIn(recorded()), 2 * trials);
  const after = await runHeddle(prompt, environment);
  assert.deepEqual([after.code, after.stdout], [0, before.stdout]);
});

test("interrupted, it keeps what was measured", async () => {
  const heddle = startHeddle(["tune", noiseFile, "--level", "wasm", "--threads", "1", "--trials", "5000"], environment);
  const known = recorded().length;
  while (recorded().length === known) await new Promise((resolve) => setTimeout(resolve, 50));
  heddle.child.kill("SIGINT");
  const { code, stderr } = await heddle.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /what was measured is kept/);
});

test("where nothing can be kept, it says so before long", async () => {
  const { code, stderr } = await runHeddle(["tune", noiseFile, "--level", "wasm", "--threads", "1", "--trials", "1"], {
    HEDDLE_HOME: "/dev/null",
  });
  assert.equal(code, 1);
  assert.match(stderr, /kept in \/dev\/null\/tuning\/tiles.jsonl; it cannot be written/);
});

test("the reference level is refused, and so is an unknown tuner", async () => {
  const reference = await runHeddle(["tune", noiseFile, "--level", "reference"], environment);
  assert.equal(reference.code, 1);
  assert.match(reference.stderr, /reference level is not tuned/);
  const unknown = await tune("--tuner", "tvn");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /Did you mean "tvm"/);
});
