import assert from "node:assert/strict";
import { test } from "node:test";
import { findSlots } from "./slots.ts";
import { isTest, layerOf, lineOf, readSources, type Source, walk } from "./sources.ts";

const sources = readSources();

test("no file is dead", () => {
  const paths = [...sources.keys()];
  const mains = [
    "index.ts",
    "cli/main.ts",
    "bench/main.ts",
    "house/bundle.ts",
    "house/write-indexes.ts",
    "house/dev.ts",
    "house/write-substitutions.ts",
  ];
  const indexes = paths.filter((path) => path.endsWith(".index.ts"));
  const alive = reachable([...mains.filter((path) => sources.has(path)), ...indexes]);
  const tested = reachable(paths.filter(isTest));
  // What serves tests alone lives in test/ and house/; elsewhere a test keeps nothing alive.
  const dead = paths.filter((path) => {
    if (isTest(path) || alive.has(path)) return false;
    return !(tested.has(path) && ["test", "house"].includes(layerOf(path)));
  });
  assert.deepEqual(dead, []);
});

function reachable(roots: readonly string[]): ReadonlySet<string> {
  const reached = new Set(roots);
  for (const path of reached) {
    for (const i of sources.get(path)?.imports ?? []) if (i.path !== undefined) reached.add(i.path);
  }
  return reached;
}

test("files have at most 400 lines, entries 200", () => {
  const folders = findSlots(sources).map((slot) => `${slot.path}/`);
  const long = [...sources.values()].flatMap(({ path, text }) => {
    const most = !isTest(path) && folders.some((folder) => path.startsWith(folder)) ? 200 : 400;
    const lines = text.split("\n").length - 1;
    return lines > most ? [`${path}: ${lines} lines, at most ${most}`] : [];
  });
  assert.deepEqual(long, []);
});

test("functions have at most 60 lines", () => {
  const long = [...sources.values()].filter(({ path }) => !isTest(path)).flatMap(longFunctions);
  assert.deepEqual(long, []);
});

function longFunctions({ path, text, program }: Source): string[] {
  const found: string[] = [];
  walk(program, (node) => {
    const kinds = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
    if (!kinds.includes(node.type)) return;
    const first = lineOf(text, node.start);
    const lines = lineOf(text, node.end) - first + 1;
    if (lines > 60) found.push(`${path}:${first}: ${lines} lines`);
  });
  return found;
}

test("names are kebab-case and repeat neither folder nor habit", () => {
  const bad = [...sources.keys()].filter((path) => {
    const name = path
      .split("/")
      .at(-1)!
      .replace(/\.(test|index)?\.?ts$/, "");
    return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || /(^|-)(utils?|helpers?|base|abstract|impl|manager)$/.test(name);
  });
  assert.deepEqual(bad, []);
});
