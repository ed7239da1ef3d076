import assert from "node:assert/strict";
import { test } from "node:test";
import { Template } from "@huggingface/jinja";
import { exampleAt, heldOutExample } from "./examples.ts";
import { chatTemplate, learnTokenizer, turn } from "./format.ts";
import { rowsAt } from "./rows.ts";

const { tokenizer } = learnTokenizer(800, 2000);
const texts = Array.from({ length: 50 }, (_, i) => exampleAt("train", 1, i).prompt);

test("any text comes back from its tokens", () => {
  for (const text of ['{"é": "☃"}\n\t ok', ...texts]) assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  for (const kind of ["sum", "json", "story"] as const) {
    const { prompt } = heldOutExample(kind, 1, 3);
    assert.equal(tokenizer.decode(tokenizer.encode(prompt)), prompt);
  }
});

test("digits stand alone, and the vocabulary has the size that was asked for", () => {
  assert.equal(tokenizer.encode("4711").length, 4);
  assert.equal(tokenizer.vocabulary, 800);
});

test("a conversation is written as the chat template of the file writes it", () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: " 2 + 3 " },
  ];
  const text = new Template(chatTemplate).render({ messages, add_generation_prompt: true });
  assert.equal(text, `${turn("system", "Be brief.")}${turn("user", "2 + 3")}<|assistant|>`);
  const [end] = tokenizer.ends;
  assert.equal(tokenizer.encode(text).filter((id) => id === end).length, 2);
});

test("rows are functions of their number, and what counts is what the assistant says", () => {
  const at = (first: number, rows: number) => rowsAt(tokenizer, { part: "train", seed: 7, first, rows, length: 256 });
  const both = at(10, 2);
  assert.deepEqual(both.tokens.subarray(256), at(11, 1).tokens);
  for (let i = 0; i + 1 < 256; i++) assert.equal(both.targets[i], both.tokens[i + 1]);
  const counted = [...both.targets.subarray(0, 256)].filter((_, i) => both.weights[i] === 1);
  const whole = [...both.tokens.subarray(0, 256)].map((id) => tokenizer.piece(id)).join("");
  const said = [...whole.matchAll(/<\|assistant\|>(.*?)(?:<\|end\|>|$)/g)].map(([, text]) => text);
  const ends = whole
    .split("<|assistant|>")
    .slice(1)
    .filter((part) => part.includes("<|end|>")).length;
  const text = counted.map((id) => tokenizer.piece(id)).join("");
  // The row's last target may lie behind its last token.
  assert.ok(text.startsWith(said.join("<|end|>").slice(0, -20)));
  assert.ok(Math.abs(counted.filter((id) => id === tokenizer.ends[0]).length - ends) <= 1);
});
