import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { heddleMain, noiseFile, runHeddle } from "../test/heddle-process.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-cli-"));
after(() => rmSync(place, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(place, name);
  writeFileSync(path, content);
  return path;
}

test("help names every command, and is a success", async () => {
  const { code, stdout, stderr } = await runHeddle(["--help"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const name of ["serve", "generate", "tokenize", "perplexity", "pull", "chat", "list", "show", "check", "run"]) {
    assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  }
});

test("what is typed wrongly is said, with what is near, and exits 1", async () => {
  for (const [words, said] of [
    [["serv"], /Did you mean serve/],
    [["generate", noiseFile, "--tokns", "3"], /Did you mean --tokens/],
    [["generate", noiseFile, "--prompt", "a", "--tokens", "many"], /whole number from 1/],
    [["generate", noiseFile], /--prompt TEXT or --prompt-file/],
    [["generate", "gema", "--prompt", "a"], /no model "gema".*\n.*heddle pull gemma-3-270m/],
    [["show", "orka"], /Did you mean "orca"/],
    [["serve", noiseFile, "--batching", "orka"], /Did you mean "orca"/],
    [["serve", noiseFile, "--option", "batching.batchMx=3"], /no option "batchMx"/],
    [["serve", noiseFile, "--option", "batchings.batchMax=3"], /no slot "batchings"/],
    [["pull", "nothing"], /ORG\/REPO/],
    [["serve", noiseFile, "--port", "70000"], /--port|65535/],
  ] as const) {
    const { code, stdout, stderr } = await runHeddle(words);
    assert.equal(code, 1, words.join(" "));
    assert.equal(stdout, "", words.join(" "));
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /^ {4}at /m, "a user's mistake has no stack");
  }
});

test("a bug shows its stack and exits 2", async () => {
  const terminal = new URL("terminal.js", import.meta.url).href;
  const script = `const { fail } = await import(${JSON.stringify(terminal)}); fail(new Error("bug: seven is eight"));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 2);
  assert.match(stderr, /bug: seven is eight\n {4}at /);
});

test("a reader that leaves early is no failure", async () => {
  const child = spawn(process.execPath, [heddleMain, "list", "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
  assert.equal(stderr, "");
});

test("--json prints one document and nothing else", async () => {
  const text = file("text.txt", "The heddle lifts the thread. ".repeat(40));
  const prompt = file("prompt.txt", "The heddle");
  const wasm = ["--level", "wasm"];
  const commands: readonly (readonly [readonly string[], (document: never) => boolean])[] = [
    [["list"], (d: { id: string; slot: string; systems: string[] }[]) => d.some((e) => e.systems.includes("orca"))],
    [["show", "orca"], (d: { claim: unknown }[]) => d.length === 1 && d[0]!.claim !== undefined],
    [["tokenize", noiseFile, "--file", text], (d: { ids: number[] }) => d.ids.length > 100],
    [
      ["generate", noiseFile, "--prompt-file", prompt, "--tokens", "5", "--temperature", "0", "--ignore-eos", ...wasm],
      (d: { tokens: number[]; text: string }) => d.tokens.length === 5 && typeof d.text === "string",
    ],
    [
      ["perplexity", noiseFile, "--file", text, "--context", "64", "--exact", ...wasm],
      (d: { perplexity: number }) => d.perplexity > 1,
    ],
  ];
  for (const [words, holds] of commands) {
    const { code, stdout } = await runHeddle([...words, "--json"]);
    assert.equal(code, 0, words.join(" "));
    assert.equal(stdout.trim().split("\n").length, 1);
    assert.ok(holds(JSON.parse(stdout) as never), `${words.join(" ")}: ${stdout.slice(0, 200)}`);
  }
});

test("files of text are taken as they are: byte-order mark, line ends, all", async () => {
  const ids = async (content: string): Promise<number[]> => {
    const { stdout } = await runHeddle(["tokenize", noiseFile, "--file", file("as-is.txt", content), "--json"]);
    return (JSON.parse(stdout) as { readonly ids: number[] }).ids;
  };
  const plain = await ids("ab\n");
  assert.ok((await ids("\u{feff}ab\n")).length > plain.length);
  assert.notDeepEqual(await ids("ab\r\n"), plain);
});

test("what is not UTF-8 is refused at its first wrong byte", async () => {
  for (const [bytes, offset] of [
    [[0x61, 0xff, 0x62], 1],
    [[0x61, 0xc3, 0xa9, 0xc3], 3],
    [[0xe2, 0x82, 0x28], 0],
    [[0xed, 0xa0, 0x80], 0],
    [[0x61, 0x62, 0xf0, 0x9f, 0x92], 2],
  ] as const) {
    const path = file("wrong.txt", Uint8Array.from(bytes));
    const { code, stdout, stderr } = await runHeddle(["tokenize", noiseFile, "--file", path, "--json"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`at byte ${offset} `));
  }
});

const bundle = new URL("./bundle.cjs", import.meta.url);
const noBundle = existsSync(bundle) ? false : "there is no bundle: `npm run build` makes it";

test("what one command needs is not loaded by all: large packages wait until they are asked for", {
  skip: noBundle,
}, () => {
  const lines = readFileSync(bundle, "latin1").split("\n");
  for (const name of ["koffi", "highs", "@kubernetes/client-node"]) {
    const loads = lines.filter((line) => line.includes(`require("${name}")`));
    assert.ok(loads.length > 0, name);
    for (const line of loads) assert.match(line, /Promise\.resolve\(\)\.then\(/);
  }
});
