/** The walked example of CONTRIBUTING.md, typed by a test: in a copy of the sources, as a reader would. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("the example of CONTRIBUTING.md works when typed", (context) => {
  const guide = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const files = [...guide.matchAll(/^```ts (src\/\S+)\n([\s\S]*?)^```$/gm)].map(([, path, text]) => ({
    path: path!,
    text: text!,
  }));
  assert.deepEqual(
    files.map(({ path }) => path),
    ["src/serve/batching/shortest-prompt.ts", "src/serve/batching/shortest-prompt.test.ts"],
  );

  const copy = mkdtempSync(join(tmpdir(), "heddle-contributing-"));
  context.after(() => rmSync(copy, { recursive: true, force: true }));
  for (const name of ["src", "package.json", "tsconfig.json", "biome.json", ".gitignore"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  for (const name of ["node_modules", "fixtures"]) symlinkSync(join(root, name), join(copy, name));
  // A test runner inside a test runner would report to the outer one.
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const node = (...words: string[]): string => {
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: copy, encoding: "utf8", env });
    assert.equal(status, 0, `${words.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  };
  const build = (): string => node("node_modules/typescript/bin/tsc", "-p", ".");
  const runTests = (...paths: string[]): string => node("--test", "--test-reporter=tap", ...paths);

  for (const { path, text } of files) writeFileSync(join(copy, path), text);
  build();
  assert.match(node("dist/house/write-indexes.js"), /^serve\/batching\.index\.ts: .*shortest-prompt/m);
  build();
  assert.match(runTests("dist/serve/batching/shortest-prompt.test.js"), /^# pass 1$/m);
  assert.match(runTests("dist/house/entries.test.js", "dist/house/purity.test.js"), /^# fail 0$/m);
  assert.match(node("dist/cli/main.js", "show", "shortest-prompt"), /^Shortest prompt first/);
  // And a claim that does not hold fails `heddle check`, with every other claim still measured.
  const orca = join(copy, "dist/serve/batching/orca.js");
  writeFileSync(orca, readFileSync(orca, "utf8").replace(/factor: [\d.]+/, "factor: 150"));
  const checked = spawnSync(process.execPath, ["dist/cli/main.js", "check", "orca", "chunked-prefill", "--json"], {
    cwd: copy,
    encoding: "utf8",
  });
  assert.equal(checked.status, 1);
  const claims = JSON.parse(checked.stdout) as { readonly id: string; readonly holds: boolean }[];
  assert.deepEqual(
    claims.map(({ id, holds }) => [id, holds]),
    [
      ["orca", false],
      ["chunked-prefill", true],
    ],
  );
  node("node_modules/@biomejs/biome/bin/biome", "check", ...files.map(({ path }) => path));
});
