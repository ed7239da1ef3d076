import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isTest, layerOf, lineOf, readSources, references, type Source, walk } from "./sources.ts";

const layers = [
  ...["core", "time", "graph", "compile", "device", "tensor", "net", "model", "data", "train", "serve", "cluster"],
  ...["recsys", "gnn", "edge", "tune", "observe", "trust", "hardware", "classic", "sim", "system", "cli"],
];
/** What looks at everything, and is part of nothing. */
const observers = ["house", "test", "bench"];

const sources = readSources();
const shipped = [...sources.values()].filter((s) => !isTest(s.path) && !observers.includes(layerOf(s.path)));

test("every file lies in a layer", () => {
  const known = new Set([...layers, ...observers, "index.ts"]);
  assert.deepEqual(
    [...sources.keys()].filter((path) => !known.has(layerOf(path))),
    [],
  );
});

test("layers import downwards only", () => {
  const upwards = shipped.flatMap((source) =>
    source.imports.filter((i) => isUpwards(source, i.path)).map(arrow(source)),
  );
  assert.deepEqual(upwards, []);
});

function isUpwards({ path }: Source, to: string | undefined): boolean {
  if (to === undefined || path === "index.ts") return false;
  const [from, into] = [layerOf(path), layerOf(to)];
  // Training and serving are side by side.
  if (from === "serve" && into === "train") return true;
  return observers.includes(into) || layers.indexOf(into) > layers.indexOf(from);
}

const arrow =
  ({ path }: Source) =>
  (i: { readonly specifier: string }): string =>
    `${path} -> ${i.specifier}`;

test("imports name files that exist", () => {
  const lost = [...sources.values()].flatMap((source) =>
    source.imports.filter((i) => i.path !== undefined && !sources.has(i.path)).map(arrow(source)),
  );
  assert.deepEqual(lost, []);
});

test("what is shipped imports only packages that are installed with it", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const installed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const missing = shipped.flatMap((source) =>
    source.imports
      .filter((i) => i.path === undefined && !i.specifier.startsWith("node:"))
      .filter((i) => !installed.some((name) => i.specifier === name || i.specifier.startsWith(`${name}/`)))
      .map(arrow(source)),
  );
  assert.deepEqual(missing, []);
});

test("only cli/ prints, reads the environment or exits", () => {
  const reserved = new Set(["env", "argv", "exit", "exitCode", "stdout", "stderr", "stdin", "on", "once"]);
  const offenders = shipped
    .filter((source) => layerOf(source.path) !== "cli")
    .flatMap((source) =>
      references(source)
        .filter((r) => r.name === "console" || (r.name === "process" && reserved.has(r.member ?? "")))
        .map((r) => `${source.path}: ${r.name}.${r.member}`),
    );
  assert.deepEqual(offenders, []);
});

test("modules keep no state: no top-level let or var", () => {
  const offenders = shipped.flatMap((source) => {
    const found: string[] = [];
    walk(source.program, (node, parent) => {
      const top = parent?.type === "Program" || parent?.type === "ExportNamedDeclaration";
      if (top && node.type === "VariableDeclaration" && node.kind !== "const") {
        found.push(`${source.path}:${lineOf(source.text, node.start)}`);
      }
    });
    return found;
  });
  assert.deepEqual(offenders, []);
});
