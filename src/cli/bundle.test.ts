/** The launcher, on a small program in place of ours: which of its two forms runs, and when kept code is used. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "heddle-bundle-"));
after(() => rmSync(folder, { recursive: true }));
const code = join(folder, "home/code");
const bundle = join(folder, "cli/bundle.cjs");
const place = join(folder, "device");
mkdirSync(place);
for (const name of ["cli/main.js", "cli/bundle.js", "device/kept-file.js"]) {
  cpSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), join(folder, name), { preserveTimestamps: true });
}
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
writeFileSync(join(folder, "cli/program.js"), 'export const runProgram = () => console.log("modules");');

const bundled = (says: string): string => `function say() { console.log(${JSON.stringify(says)}, bundleUrl.protocol); }
say(); if (process.argv.includes("fail")) process.exit(3);`;

function run(...words: string[]): string {
  const env = { ...process.env, HEDDLE_HOME: join(folder, "home") };
  return spawnSync(process.execPath, [join(folder, "cli/main.js"), ...words], { env, encoding: "utf8" }).stdout.trim();
}

test("without a bundle, the modules run", () => {
  assert.equal(run("list"), "modules");
});

test("a bundle runs in place of the modules, and its code is kept for each command that succeeds", () => {
  writeFileSync(bundle, bundled("one"));
  assert.equal(run("list"), "one file:");
  assert.equal(run("serve"), "one file:");
  assert.equal(run("fail"), "one file:");
  assert.deepEqual(
    readdirSync(code).map((name) => name.split("-")[0]),
    ["list", "serve"],
  );
});

test("kept code is not written again, another bundle has its own, and what is damaged is made again", () => {
  const [kept] = readdirSync(code).map((name) => join(code, name));
  const bytes = readFileSync(kept!);
  const old = new Date(2020, 1, 1);
  utimesSync(kept!, old, old);
  assert.equal(run("list"), "one file:");
  assert.equal(statSync(kept!).mtimeMs, old.getTime());

  bytes[bytes.length - 5]! ^= 1;
  writeFileSync(kept!, bytes);
  assert.equal(run("list"), "one file:");
  assert.notDeepEqual(readFileSync(kept!), bytes);

  writeFileSync(bundle, bundled("two"));
  assert.equal(run("list"), "two file:");
  assert.equal(readdirSync(code).length, 3);
});

test("a bundle that is older than the modules is not run", () => {
  utimesSync(bundle, new Date(2020, 1, 1), new Date(2020, 1, 1));
  assert.equal(run("list"), "modules");
});
