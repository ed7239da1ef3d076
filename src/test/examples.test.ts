/** Each example runs as a reader would run it, against this build installed as a package. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "heddle-examples-"));
after(() => rmSync(place, { recursive: true, force: true }));

const installed = join(place, "node_modules/heddle");
mkdirSync(installed, { recursive: true });
cpSync(join(root, "package.json"), join(installed, "package.json"));
symlinkSync(fileURLToPath(new URL("../", import.meta.url)), join(installed, "dist"));
cpSync(join(root, "examples"), join(place, "examples"), { recursive: true });

const expected: Readonly<Record<string, RegExp>> = {
  "decide.js": /^orca \[ \{ request: 0, tokens: 200 \}, \{ request: 1, tokens: 30 \} \]$/m,
  "generate.js": /./,
  "serve.js": /completion_tokens: 8/,
  "train.js": /^(9\d|100) % of new points are told right$/m,
};

for (const name of readdirSync(join(root, "examples"))) {
  test(`examples/${name} runs, in fewer than 30 lines`, () => {
    assert.ok(readFileSync(join(root, "examples", name), "utf8").split("\n").length <= 30);
    const words = [join(place, "examples", name), join(root, "fixtures/noise.gguf")];
    const output = execFileSync(process.execPath, ["--preserve-symlinks-main", ...words], { encoding: "utf8" });
    assert.ok(expected[name] !== undefined, "say here what it prints");
    assert.match(output, expected[name]);
  });
}
