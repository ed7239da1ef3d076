/** `heddle compile`: what it prints of passes, graphs and kernels. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { noiseFile, runHeddle } from "../test/heddle-process.ts";

test("--explain has a line a pass, with what is there after it", async () => {
  const { code, stdout, stderr } = await runHeddle(["compile", noiseFile, "--explain"]);
  assert.equal(code, 0, stderr);
  const [heads, ...lines] = stdout.trimEnd().split("\n");
  assert.match(heads!, /^after +nodes +bytes\/token +calls +kernels +barriers +arena +operations$/);
  const rows = lines.map((line) => line.split(/\s+/));
  assert.equal(rows[0]![0], "capture");
  const nodes = (pass: string): number => Number(rows.find((row) => row[0] === pass)![1]);
  // Fused, the activation and the product are one; what they were is taken away by the last pass.
  assert.ok(nodes("prune") < nodes("fuse-gate"), stdout);
  assert.match(stdout, /^fuse-gate .*\+\d+ gate/m);
  for (const row of rows) for (const cell of row.slice(1, 7)) assert.ok(Number(cell) > 0, row.join(" "));
});

test("--dump prints the graph after one pass", async () => {
  const { code, stdout } = await runHeddle(["compile", noiseFile, "--dump", "capture"]);
  assert.equal(code, 0);
  assert.match(stdout, /^%\d+: f32\[T,64\] = rmsNorm\(/m);
  assert.doesNotMatch(stdout, /= gate\(/);
  const fused = await runHeddle(["compile", noiseFile, "--dump", "fuse-gate"]);
  assert.match(fused.stdout, /= gate\(/);
});

test("--dump fusion prints the calls that run, each value where it lies; a pass that is not run says how it would be", async () => {
  const { code, stdout, stderr } = await runHeddle(["compile", noiseFile, "--dump", "fusion", "--fusion", "none"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^b0: T rows of \d+ bytes at \d+ of \d+$/m);
  assert.match(stdout, /^\d+: linear-\S+ [TS1](·\d+)? \(.*layer\.0\..*\) → b\d+/m);
  assert.match(stdout, /^return logits = b\d+$/m);
  const calls = (text: string): number => text.match(/^\d+: /gm)!.length;
  const fused = await runHeddle(["compile", noiseFile, "--dump", "fusion"]);
  assert.ok(calls(fused.stdout) < calls(stdout));
  const wrong = await runHeddle(["compile", noiseFile, "--dump", "taso"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /Add --pass taso/);
});

test("--pass is a line of --explain, of the step's graph and no other", async () => {
  const { stdout } = await runHeddle(["compile", noiseFile, "--pass", "taso"]);
  const names = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ")[0]);
  const own = ["append-statistics", "fuse-gate", "quantize-activations", "prune"];
  assert.deepEqual(names, ["after", "capture", "taso", ...own, "fusion"]);
});

test("--asm prints a kernel, names the near ones, and says where there is no machine code", async () => {
  const wrong = await runHeddle(["compile", noiseFile, "--asm", "siluMull128"]);
  assert.equal(wrong.code, 1);
  if (/level wasm has none/.test(wrong.stderr)) return;
  assert.match(wrong.stderr, /Did you mean "siluMul-128"/);
  const { code, stdout } = await runHeddle(["compile", noiseFile, "--asm", "siluMul-128"]);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0]!, /^ +0: {2}53 +push +rbx$/);
  assert.match(lines.at(-1)!, /: {2}c3 +ret$/);
  const wasm = await runHeddle(["compile", noiseFile, "--asm", "siluMul-128", "--level", "wasm"]);
  assert.equal(wasm.code, 1);
  assert.match(wasm.stderr, /level wasm has none of its own.*\n.*--level x64/);
});

test("HEDDLE_DEBUG=1 checks the code that a command runs, and says so", async () => {
  const words = ["generate", noiseFile, "--prompt", "a", "--tokens", "3", "--context", "64"];
  const { code, stderr } = await runHeddle(words, { HEDDLE_DEBUG: "1" });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /generated code is checked/);
  const usual = await runHeddle(words);
  assert.doesNotMatch(usual.stderr, /checked/);
});
