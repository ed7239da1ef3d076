import assert from "node:assert/strict";
import { test } from "node:test";
import { findSlots } from "./slots.ts";
import { isTest, lineOf, parseSource, readSources, references, type Source, walk } from "./sources.ts";

/** Globals by which code learns the time, draws at random, waits, or touches the machine. */
const machine = [
  ...["Date", "performance", "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "process", "console"],
  ...["fetch", "crypto", "globalThis", "self", "require", "eval", "Function", "Worker", "WebAssembly", "Atomics"],
];

/** What the file does that a decision may not. */
function impurities(source: Source): string[] {
  const found = references(source)
    .filter((r) => machine.includes(r.name) || (r.name === "Math" && ["random", "[]", undefined].includes(r.member)))
    .map((r) => (r.member === undefined ? r.name : `${r.name}.${r.member}`));
  for (const { specifier, path, kind } of source.imports) {
    if (path === undefined || kind === "worker") found.push(`import of ${specifier}`);
  }
  return found;
}

/** What waits: a policy answers at once. */
function waits(source: Source): string[] {
  const found: string[] = [];
  walk(source.program, (node) => {
    const isAsync = "async" in node && node.async === true;
    const isWait = node.type === "AwaitExpression" || node.type === "ImportExpression";
    if (isAsync || isWait || (node.type === "ForOfStatement" && node.await)) {
      found.push(`${isAsync ? "async" : node.type} in line ${lineOf(source.text, node.start)}`);
    }
  });
  return found;
}

const sources = readSources();
/** Slots whose techniques carry something out instead of deciding it: a capture runs the models that it is given. */
const transformers = ["tensor/capture"];
/** Pure functions that happen to be compiled elsewhere: what they wait for is over when a policy is created. */
const solvers = ["cluster/solver.ts"];
const deciders = findSlots(sources).filter((slot) => !slot.ownIndexType && !transformers.includes(slot.path));

test("slots that carry out are slots", () => {
  const paths = findSlots(sources).map(({ path }) => path);
  for (const path of transformers) assert.ok(paths.includes(path), path);
});

test("policies read no clock, draw nothing at random, wait for nothing and touch no machine", () => {
  for (const slot of deciders) {
    for (const [path, source] of sources) {
      if (!path.startsWith(`${slot.path}/`) || isTest(path)) continue;
      assert.deepEqual([...impurities(source), ...waits(source)], [], path);
    }
  }
});

test("nor does anything that they import", () => {
  for (const slot of deciders) {
    const reached = new Set(slot.ids.map((id) => `${slot.path}/${id}.ts`));
    for (const path of reached) {
      if (solvers.includes(path)) continue;
      const source = sources.get(path)!;
      assert.deepEqual(impurities(source), [], path);
      for (const i of source.imports) if (i.kind === "static" && !i.typeOnly && i.path) reached.add(i.path);
    }
  }
});

test("the check sees impurity in syntax, and not in words", () => {
  const pure = parseSource("a.ts", 'const process = "Date"; // Math.random\nexport const x = { Date: 1 }, y = x.Date;');
  assert.deepEqual([...waits(pure), ...references(pure).filter((r) => r.name === "Date")], []);
  const bad = [
    "export const a = () => Date.now();",
    "export const a = Math.random();",
    'export const a = Math["random"]();',
    "export const a = new Date();",
    "export const a = { performance };",
    'import { readFileSync } from "node:fs"; export const a = readFileSync;',
    "export const a = async () => 1;",
    "for await (const x of []) x;",
    'export const a = () => import("./b.ts");',
    "const { random } = Math; export const a = random;",
  ];
  for (const text of bad) {
    const source = parseSource("a.ts", text);
    assert.notDeepEqual([...impurities(source), ...waits(source)], [], text);
  }
});
