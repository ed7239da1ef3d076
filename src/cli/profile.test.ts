/** `heddle profile` on a small model: its table, its JSON and its trace agree with each other. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noiseFile, runHeddle } from "../test/heddle-process.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-profile-"));
after(() => rmSync(place, { recursive: true, force: true }));

test("a table by kernel for decode and for prefill, with the slowest in words", async () => {
  const { code, stdout, stderr } = await runHeddle(["profile", noiseFile, "--steps", "3", "--no-limits"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^one token at context \d+: .* ms a step, .* tokens\/s; (timed one by one, )?\d+ calls/m);
  assert.match(stdout, /^\d+ tokens from position 0: /m);
  const [, slowest] = stdout.match(/% is (\S+) \(/)!;
  const table = stdout.slice(stdout.indexOf("kernel "));
  assert.ok(table.split("\n")[1]!.startsWith(slowest!), stdout);
});

test("shares add up to the step, limits are measured in the same run, and the trace holds every call", async () => {
  const path = join(place, "trace.json");
  const words = ["--tokens", "2", "--context", "5", "--steps", "3", "--json", "--trace", path];
  const { code, stdout, stderr } = await runHeddle(["profile", noiseFile, ...words]);
  assert.equal(code, 0, stderr);
  const { limits, steps, level } = JSON.parse(stdout);
  assert.equal(steps.length, 1);
  assert.deepEqual([steps[0].tokens, steps[0].context], [2, 5]);
  const share = steps[0].kernels.reduce((n: number, k: { share: number }) => n + k.share, 0);
  assert.ok(Math.abs(share - 1) < 1e-9, `${share}`);
  if (level !== "reference") assert.ok(limits.bytesPerSecond > 1e8);
  const { traceEvents } = JSON.parse(readFileSync(path, "utf8"));
  const calls = steps[0].kernels.reduce((n: number, k: { calls: number }) => n + k.calls, 0);
  const traced = traceEvents.filter((e: { args?: { call?: number } }) => e.args?.call !== undefined);
  assert.equal(new Set(traced.map((e: { args: { call: number } }) => e.args.call)).size, calls);
});

test("levels without a time stamp counter tell as much", async () => {
  for (const level of ["wasm", "reference"]) {
    const words = ["--tokens", "1", "--context", "3", "--steps", "2", "--no-limits", "--level", level];
    const { code, stdout, stderr } = await runHeddle(["profile", noiseFile, ...words]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^one token at context 3: /m);
  }
});

test("a thread alone waits for nobody; a trace that cannot be written is the user's to mend", async () => {
  const words = ["profile", noiseFile, "--tokens", "1", "--steps", "2", "--no-limits", "--threads", "1"];
  const { stdout } = await runHeddle([...words, "--json"]);
  for (const { waiting } of JSON.parse(stdout).steps[0].kernels) assert.equal(waiting, 0);
  assert.doesNotMatch((await runHeddle(words)).stdout, /wait for each other/);
  const { code, stderr } = await runHeddle([...words, "--trace", noiseFile + "/trace.json"]);
  assert.equal(code, 1);
  assert.match(stderr, /^heddle: --trace .*: it cannot be written: .*\.$/m);
  assert.doesNotMatch(stderr, /^ {4}at /m);
});

test("a step beyond the model's context is the user's to mend", async () => {
  const { code, stderr } = await runHeddle(["profile", noiseFile, "--tokens", "1000000"]);
  assert.equal(code, 1);
  assert.match(stderr, /A step of 1000000 tokens after 0 positions.*the model has \d+/);
});
