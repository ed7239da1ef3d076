/** Every tokenizer against its oracle: llama-tokenize for GGUF, the `tokenizers` library for tokenizer.json. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { gemmaFile, gemmaSkip } from "../test/gemma.ts";
import { readGguf } from "./gguf.ts";
import { mapFile } from "./mapped-file.ts";
import { byteLevelCharacters } from "./tokenizer/byte-level.ts";
import { tokenizerFromGguf, tokenizerFromJson } from "./tokenizer/open.ts";
import { TextStream } from "./tokenizer/stream.ts";
import type { Tokenizer } from "./tokenizer.ts";

interface Golden {
  readonly text: string;
  readonly ids: readonly number[];
}

const fixtures = new URL("../../fixtures/", import.meta.url);
const architectures = new URL("architecture/", fixtures);
const json = (url: URL): unknown => JSON.parse(readFileSync(url, "utf8"));
const golden = (path: string, folder = architectures): readonly Golden[] => json(new URL(path, folder)) as Golden[];

async function fromGguf(path: string): Promise<Tokenizer> {
  const file = await mapFile(path);
  try {
    return tokenizerFromGguf(readGguf(file).metadata);
  } finally {
    file.close();
  }
}

function fromFolder(name: string): Tokenizer {
  const modelConfig = json(new URL(`${name}/config.json`, architectures));
  return tokenizerFromJson(json(new URL(`${name}/tokenizer.json`, architectures)), { modelConfig });
}

function checkGolden(tokenizer: Tokenizer, list: readonly Golden[]): void {
  assert.ok(list.length > 10);
  for (const { text, ids } of list) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
}

const names = readdirSync(architectures, { withFileTypes: true }).filter((f) => f.isDirectory());
for (const { name } of names) {
  test(`${name}: tokenizer.json gives the library's ids`, () => {
    checkGolden(fromFolder(name), golden(`${name}/tokens.json`));
  });
  const gguf = fileURLToPath(new URL(`${name}.gguf`, architectures));
  if (!existsSync(gguf)) continue;
  test(`${name}: GGUF gives llama-tokenize's ids, and the text comes back`, async () => {
    const tokenizer = await fromGguf(gguf);
    checkGolden(tokenizer, golden(`${name}.gguf.tokens.json`));
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.equal(tokenizer.decode(tokenizer.encode(text, { special: false })), text);
      }),
    );
  });
}

test("Gemma: llama-tokenize's ids on 800 strings", { skip: gemmaSkip }, async () => {
  const tokenizer = await fromGguf(gemmaFile);
  const folder = new URL("gemma-3-270m/", fixtures);
  checkGolden(tokenizer, golden("tokens.json", folder));
  checkGolden(tokenizer, golden("tokens-more.json", folder));
  assert.equal(tokenizer.bos, 2);
  assert.deepEqual(tokenizer.ends, [1, 106]);
  const word = fc.constantFrom(
    "\u{1F468}\u200d\u{1F469}",
    "<end_of_turn>",
    "  ",
    "\r\n",
    "שלום",
    "汉字",
    "\ufeff",
    "\0",
    "the",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ unit: "binary" }))), (parts) => {
      // U+2581 is how a space is written in pieces, so it comes back as one.
      const text = parts.join("").replaceAll("▁", "");
      assert.equal(tokenizer.decode(tokenizer.encode(text, { special: false })), text);
    }),
    { numRuns: 50 },
  );
});

/** A vocabulary small enough to merge by hand. */
function spm(
  pieces: readonly (readonly [string, number, number?])[],
  more: readonly (readonly [string, unknown])[] = [],
) {
  return tokenizerFromGguf(
    new Map<string, unknown>([
      ["tokenizer.ggml.model", "llama"],
      ["tokenizer.ggml.tokens", pieces.map(([piece]) => piece)],
      ["tokenizer.ggml.scores", pieces.map(([, score]) => score)],
      ["tokenizer.ggml.token_type", pieces.map(([, , type]) => type ?? 1)],
      ["tokenizer.ggml.bos_token_id", 0],
      ["tokenizer.ggml.add_space_prefix", false],
      ...more,
    ]),
  );
}

test("SPM joins the highest score first and the leftmost of equals", () => {
  const t = spm([
    ["<s>", 0, 3],
    ["a", 0],
    ["b", 0],
    ["ab", -2],
    ["ba", -1],
    ["aa", -5],
  ]);
  const pieces = (text: string): string[] => t.encode(text, { bos: false }).map((id) => t.piece(id));
  assert.deepEqual(pieces("aba"), ["a", "ba"], "ba before ab, and nothing joins a with ba");
  assert.deepEqual(pieces("aaa"), ["aa", "a"]);
  assert.deepEqual(t.encode("ab"), [0, 3]);
});

test("SPM writes what is no piece as bytes, or as unknown", () => {
  const byte = (b: number): readonly [string, number, number] => [`<0x${b.toString(16).toUpperCase()}>`, 0, 6];
  const t = spm(
    [["<s>", 0, 3], byte(0xc3), byte(0xa9), ["e", 0], ["<unk>", 0, 2]],
    [["tokenizer.ggml.unknown_token_id", 4]],
  );
  assert.deepEqual(t.encode("eé"), [0, 3, 1, 2]);
  assert.equal(t.decode([3, 1, 2]), "eé");
  assert.equal(t.decode([1, 3]), "\ufffde");
  assert.deepEqual(t.encode("ü", { bos: false }), [1, 4], "the second byte has no token");
});

test("a space goes before the text where the file says so, and decoding takes it back", () => {
  const t = spm(
    [
      ["<s>", 0, 3],
      ["▁", 0],
      ["a", 0],
      ["▁a", -1],
      ["<x>", 0, 3],
    ],
    [["tokenizer.ggml.add_space_prefix", true]],
  );
  assert.deepEqual(t.encode("a<x>a"), [0, 3, 4, 3]);
  assert.equal(t.decode([0, 3, 3]), "a a");
  assert.equal(t.decode([3]), " a", "a continuation keeps its space");
});

test("special tokens: the longest first, control ones only where the caller lets them", () => {
  const t = spm([
    ["<s>", 0, 3],
    ["\n", 0, 4],
    ["\n\n", 0, 4],
    ["<", 0],
    ["s", 0],
    [">", 0],
  ]);
  assert.deepEqual(t.encode("\n\n\n<s>"), [0, 2, 1, 0]);
  assert.deepEqual(t.encode("<s>", { special: false, bos: false }), [3, 4, 5]);
  assert.equal(t.decode([0, 1]), "\n");
  assert.ok(t.isControl(0) && !t.isControl(1) && t.isControl(99));
});

test("what is wrong is said", () => {
  const t = spm([["a", 0]]);
  for (const text of ["a\ud800", "\udc00", "\ude00\ud83d"]) assert.throws(() => t.encode(text), /surrogate pair/);
  assert.throws(() => tokenizerFromGguf(new Map([["tokenizer.ggml.model", "bert"]])), /"bert", which is not supported/);
  assert.throws(() => spm([], []), /tokens is missing/);
  assert.throws(() => spm([["a", 0]], [["tokenizer.ggml.scores", [1, 2]]]), /scores has 2 elements/);
  assert.throws(() => spm([["a", 0]], [["tokenizer.ggml.eos_token_id", 7]]), /eos_token_id is 7/);
  const bpe = new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.tokens", ["a"]],
    ["tokenizer.ggml.merges", []],
    ["tokenizer.ggml.pre", "mystery"],
  ]);
  assert.throws(() => tokenizerFromGguf(bpe), /"mystery", which is not known\.\n.*llama-bpe, .*qwen2/);
  assert.throws(() => tokenizerFromJson({ model: { type: "WordPiece" } }, {}), /"WordPiece", and BPE or Unigram/);
  assert.throws(() => tokenizerFromJson([], {}), /missing/);
});

/** Byte-level BPE of single bytes, without those given. */
function bpe(pre: string, without: readonly string[] = []) {
  const tokens = ["<s>", ...byteLevelCharacters.filter((character) => !without.includes(character))];
  return tokenizerFromGguf(
    new Map<string, unknown>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.tokens", tokens],
      ["tokenizer.ggml.token_type", tokens.map((_, id) => (id === 0 ? 3 : 1))],
      ["tokenizer.ggml.merges", []],
      ["tokenizer.ggml.pre", pre],
      ["tokenizer.ggml.bos_token_id", 0],
    ]),
  );
}

test("the beginning of sequence comes first where llama.cpp puts it for files that do not say", () => {
  for (const pre of ["llama-bpe", "tekken"]) assert.equal(bpe(pre).encode("a")[0], 0, pre);
  for (const pre of ["default", "qwen2", "gpt-2", "gpt-4o"]) assert.equal(bpe(pre).encode("a").length, 1, pre);
});

test("a byte that no token stands for is an error, not a gap in the text", () => {
  const t = bpe("gpt-2", ["b"]);
  assert.equal(t.decode(t.encode("ac")), "ac");
  assert.throws(() => t.encode("abc"), { name: "UserError", message: /byte 0x62, .* no token/ });
  const s = spm([
    ["<s>", 0, 3],
    ["a", 0],
  ]);
  assert.throws(() => s.encode("aé"), { name: "UserError", message: /byte 0xC3, .* no token/ });
});

test("control tokens of tokenizer.json are text where the caller says so", () => {
  const t = fromFolder("llama");
  assert.equal(t.encode("<|eot_id|>").length, 2);
  assert.equal(t.decode(t.encode("<|eot_id|>", { special: false })), "<|eot_id|>");
  assert.equal(t.decode(t.encode("<|eot_id|>x")), "x");
});

test("a stream gives whole characters, whatever the pieces", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(5), (text, size) => {
      const bytes = new TextEncoder().encode(text);
      const stream = new TextStream();
      let out = "";
      for (let i = 0; i < bytes.length; i += size + 1) {
        const part = stream.push(bytes.subarray(i, i + size + 1));
        assert.doesNotMatch(part, /\p{Surrogate}/u);
        out += part;
      }
      assert.equal(out + stream.end(), text);
    }),
  );
  const stream = new TextStream();
  assert.equal(stream.push(Uint8Array.of(0x61, 0xf0, 0x9f)), "a");
  assert.equal(stream.end(), "\ufffd");
  assert.equal(stream.push(Uint8Array.of(0xff, 0x62)), "\ufffdb");
});
