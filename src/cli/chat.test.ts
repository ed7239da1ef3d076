import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { heddleMain, noiseFile } from "../test/heddle-process.ts";

test("each line is answered, the conversation goes on, and its end ends it", () => {
  const words = ["chat", noiseFile, "--tokens", "6", "--temperature", "0", "--level", "wasm"];
  const run = (input: string) => spawnSync(process.execPath, [heddleMain, ...words], { input, encoding: "utf8" });
  const two = run("One thread\nTwo threads\n");
  assert.equal(two.status, 0, two.stderr);
  const one = run("One thread\n");
  assert.ok(one.stdout.length > 1);
  // The same first answer, then another: what was said before is part of the prompt.
  assert.ok(two.stdout.startsWith(one.stdout) && two.stdout.length > one.stdout.length);
  assert.match(two.stderr, /no chat template/);
});
