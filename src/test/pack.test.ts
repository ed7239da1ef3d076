/** The package as `npm pack` makes it, unpacked beside its dependencies and used: by Node, by the shell, by a compiler. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const built = fileURLToPath(new URL("../", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "heddle-pack-"));
const user = join(place, "user");
const installed = join(user, "node_modules/heddle");
after(() => rmSync(place, { recursive: true, force: true }));

const node = (...words: string[]): string => execFileSync(process.execPath, words, { cwd: user, encoding: "utf8" });

before(() => {
  const stage = join(place, "stage");
  mkdirSync(installed, { recursive: true });
  mkdirSync(stage);
  for (const name of readdirSync(root)) {
    const isSource = /\.md$|^LICENSE$|^package\.json$|^(fixtures|models)$/.test(name);
    if (isSource) cpSync(join(root, name), join(stage, name), { recursive: true });
  }
  cpSync(built, join(stage, "dist"), { recursive: true });
  // One process that asks nobody: packing needs no network.
  const npm = ["pack", "--offline", "--ignore-scripts", "--loglevel", "error", "--pack-destination", place];
  execFileSync("npm", npm, { cwd: stage, stdio: "ignore" });
  const tarball = readdirSync(place).find((name) => name.endsWith(".tgz"))!;
  execFileSync("tar", ["-xzf", join(place, tarball), "-C", installed, "--strip-components=1"]);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "heddle") symlinkSync(join(root, "node_modules", name), join(user, "node_modules", name));
  }
  writeFileSync(join(user, "package.json"), '{ "type": "module" }');
});

test("it holds what runs, its licence, and neither tests nor sources", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  for (const name of [
    "LICENSE",
    "README.md",
    "dist/index.js",
    "dist/index.d.ts",
    "fixtures/noise.gguf",
    "models/heddle-tiny.gguf",
  ]) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(
    files.filter((name) => /\.test\.|^src|^dist\/(house|test|bench)\/|^bench|^fixtures\/gemma/.test(name)),
    [],
  );
});

test("entries are imported by their path, and decide", () => {
  const script = `
    import orca from "heddle/serve/batching/orca";
    import { batchings, UserError, openCheckpoint } from "heddle";
    const policy = orca.create({ batchMax: 4 });
    const grants = policy.next({ now: 0, waiting: [], running: [], limits: { tokens: 8, sequences: 8 } });
    console.log(JSON.stringify([orca.title, grants, batchings.ids().includes("orca"), typeof openCheckpoint]));`;
  assert.deepEqual(JSON.parse(node("--input-type=module", "-e", script)), ["Orca", [], true, "function"]);
});

test("its command runs, on the model that comes with it", () => {
  const main = join(installed, "dist/cli/main.js");
  const entries = JSON.parse(node(main, "list", "--json")) as { readonly id: string }[];
  assert.ok(entries.some(({ id }) => id === "pagedattention"));
  const words = ["--prompt", "a", "--tokens", "3", "--ignore-eos", "--json"];
  const generated = JSON.parse(node(main, "generate", "heddle-tiny", ...words));
  assert.equal(generated.tokens.length, 3);
  assert.match(node(main, "check", "speculative-decoding"), /^holds/);
});

test("its types are found", () => {
  const source = `
    import type { Entry } from "heddle";
    import { batchings, openCheckpoint } from "heddle";
    import orca from "heddle/serve/batching/orca";
    const title: string = orca.title;
    const ids: string[] = batchings.ids();
    const checkpoint = await openCheckpoint("x.gguf");
    // @ts-expect-error Layers are a number.
    const layers: string = checkpoint.config.layers;
    export type T = Entry<number>;
    console.log(title, ids, layers);`;
  writeFileSync(join(user, "use.ts"), source);
  const options = ["--noEmit", "--strict", "--target", "es2023", "--module", "nodenext", "--types", "node"];
  node("node_modules/typescript/bin/tsc", ...options, "use.ts");
});
