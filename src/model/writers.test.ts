/** What is written is read again as it was: GGUF, safetensors, weights of every type that is written, a learnt tokenizer. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { dequantize } from "./dequantize.ts";
import { encodeWeights, writableTypes } from "./encode-weights.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { ggufParts } from "./gguf-writer.ts";
import { mapFile } from "./mapped-file.ts";
import { readSafetensors } from "./safetensors-file.ts";
import { safetensorsParts } from "./safetensors-writer.ts";
import { bpeMetadata, learnBpe } from "./tokenizer/learn-bpe.ts";
import { tokenizerFromGguf } from "./tokenizer/open.ts";

async function written<T>(
  parts: Iterable<Uint8Array>,
  read: (file: Awaited<ReturnType<typeof mapFile>>) => T,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-writer-"));
  try {
    writeFileSync(join(folder, "file"), Buffer.concat([...parts]));
    const file = await mapFile(join(folder, "file"));
    try {
      return read(file);
    } finally {
      file.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("GGUF: every kind of value, names beyond ASCII, tensors of any rank and length", async () => {
  const metadata = {
    "general.architecture": { string: "llama" },
    "a.u32": { u32: 4294967295 },
    "a.i32": { i32: -7 },
    "a.f32": { f32: 0.5 },
    "a.bool": { bool: true },
    "a.strings": { strings: ["é", "", "▁x"] },
    "a.i32s": { i32s: [-1, 2] },
    "a.f32s": { f32s: [1.5] },
  } as const;
  const bytes = Uint8Array.from({ length: 34 }, (_, i) => i);
  const tensors = [
    { name: "vector", type: "F32", shape: [3], bytes: bytes.subarray(0, 12) },
    { name: "matrix", type: "Q8_0", shape: [1, 32], bytes },
    { name: "block", type: "F16", shape: [2, 1, 3], bytes: bytes.subarray(1, 13) },
  ] as const;
  await written(ggufParts(metadata, tensors), (file) => {
    const found: Gguf = readGguf(file);
    const plain = (value: unknown) => (typeof value === "object" ? Array.from(value as Iterable<unknown>) : value);
    const expected = Object.entries(metadata).map(([key, value]) => [key, Object.values(value)[0]]);
    assert.deepEqual(
      Array.from(found.metadata, ([key, value]) => [key, plain(value)]),
      expected,
    );
    for (const { name, type, shape, bytes } of tensors) {
      const tensor = found.tensors.get(name)!;
      assert.deepEqual([tensor.type, tensor.shape], [type, shape]);
      assert.deepEqual(file.bytes(tensor.offset, tensor.byteLength).slice(), bytes.slice());
    }
  });
});

test("safetensors: types, shapes and bytes", async () => {
  const bytes = Uint8Array.from({ length: 12 }, (_, i) => i);
  const tensors = [
    { name: "a", type: "F32", shape: [3], bytes },
    { name: "b.c", type: "BF16", shape: [2, 3], bytes },
  ] as const;
  await written(safetensorsParts(tensors, { made: "here" }), (file) => {
    const found = readSafetensors(file);
    assert.deepEqual(
      found.map(({ name, type, shape }) => ({ name, type, shape })),
      tensors.map(({ name, type, shape }) => ({ name, type, shape })),
    );
    for (const { offset, byteLength } of found) assert.deepEqual(file.bytes(offset, byteLength).slice(), bytes);
  });
});

test("weights of each type come back within that type's rounding, and what it can say exactly", () => {
  const random = stream(5);
  const values = Float32Array.from({ length: 96 }, () => 4 * random() - 2);
  values.fill(0, 32, 64);
  const steps = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8, Q8_0: 0 };
  for (const type of writableTypes) {
    const back = new Float32Array(96);
    dequantize(type, encodeWeights(type, values), 96, back);
    for (const [i, x] of values.entries()) {
      // Half a code of a block whose greatest is at most 2, and the rounding of its scale to 11 bits.
      const tolerance = type === "Q8_0" ? 1 / 127 + 2 ** -10 : steps[type] * Math.abs(x);
      assert.ok(Math.abs(back[i]! - x) <= tolerance, `${type}: ${x} came back as ${back[i]}`);
    }
  }
});

test("a learnt tokenizer merges what occurs most, keeps control tokens whole, and gives every text back", () => {
  const text = "the cat sat on the mat; the hat the cat had\n".repeat(3);
  const learnt = learnBpe([text, "a<|end|>b"], { vocabulary: 280, controls: ["<|end|>"], pre: "gpt-2" });
  assert.deepEqual(learnt.merges.slice(0, 2), ["a t", "h e"]);
  assert.ok(learnt.pieces.includes("Ġthe") && learnt.pieces.length <= 280);
  assert.ok(!learnt.merges.some((merge) => merge.includes("<")), `${learnt.merges}`);
  const metadata = new Map(
    Object.entries(bpeMetadata(learnt, "<|end|>")).map(([key, v]) => [key, Object.values(v)[0]]),
  );
  const tokenizer = tokenizerFromGguf(metadata);
  for (const given of [text, "naïve 文字 🙂 \u0000\t  x", "x<|end|>"]) {
    const ids = tokenizer.encode(given);
    assert.equal(tokenizer.decode(ids), given.replace("<|end|>", ""));
  }
  const end = learnt.pieces.indexOf("<|end|>");
  assert.deepEqual([tokenizer.encode("x<|end|>").at(-1), tokenizer.ends], [end, [end]]);
  assert.ok(tokenizer.encode(text).length < text.length / 2);
});

test("merges are those of counting every pair anew each time", () => {
  const random = stream(8);
  const words = Array.from({ length: 60 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 6) }, () => "abc"[Math.floor(random() * 3)]).join(""),
  );
  const text = Array.from({ length: 200 }, () => words[Math.floor(random() ** 2 * 60)]).join("\n");
  const { merges } = learnBpe([text], { vocabulary: 300, controls: [], pre: "gpt-2" });
  assert.deepEqual(merges, counted(text, 300 - 256));
});

/** The definition, taken literally; characters of the text are bytes, and of equal counts the ids decide. */
function counted(text: string, most: number): string[] {
  const words = text
    .split(/(\n)/)
    .filter((w) => w !== "")
    .map((w) => [...w].map((c) => (c === "\n" ? "Ċ" : c)));
  const order = new Map(["a", "b", "c", "Ċ"].map((c, id) => [c, id]));
  const merges: string[] = [];
  while (merges.length < most) {
    const counts = new Map<string, number>();
    for (const w of words)
      for (let i = 0; i + 1 < w.length; i++)
        counts.set(`${w[i]} ${w[i + 1]}`, (counts.get(`${w[i]} ${w[i + 1]}`) ?? 0) + 1);
    const rank = (pair: string): number => {
      const [left, right] = pair.split(" ") as [string, string];
      return order.get(left)! * 1000 + order.get(right)!;
    };
    const [best] = [...counts].sort(([p, a], [q, b]) => b - a || rank(p) - rank(q));
    if (best === undefined || best[1] < 2) break;
    const [left, right] = best[0].split(" ") as [string, string];
    merges.push(best[0]);
    order.set(left + right, order.size);
    for (const w of words)
      for (let i = 0; i + 1 < w.length; i++) if (w[i] === left && w[i + 1] === right) w.splice(i, 2, left + right);
  }
  return merges;
}
