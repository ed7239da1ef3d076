/** Bytes and operations of calls, counted by hand for a small layer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "../graph/builder.ts";
import { type WeightFormat, weightLayout } from "./layout.ts";
import { compile } from "./pipeline.ts";
import type { Target } from "./tile.ts";
import { type Sizes, type Work, workOf } from "./work.ts";

const target: Target = { lanes: 16, registers: 30, dot4: true, dotBf16: true, fetchInto: 1, repeated: "register" };
const f32: WeightFormat = { kind: "f32" };
const shapes = new Map([
  ["table", [64, 32]],
  ["q", [32, 32]],
  ["kv", [16, 32]],
]);
const sizes: Sizes = {
  weightBytes: (name) => weightLayout(f32, shapes.get(name)![0]!, shapes.get(name)![1]!).bytes,
  weightShape: (name) => shapes.get(name)!,
  positionBytes: 128,
};

test("weights once, rows of tokens, the positions that a window leaves, two operations a product", () => {
  const g = new GraphBuilder();
  const [tokens, positions] = [g.tokens(), g.positions()];
  const weight = (name: string) => g.weight(name, shapes.get(name)!);
  const x = g.embed(tokens, weight("table"));
  const q = g.reshape(g.linear(x, weight("q")), ["T", 2, 16]);
  const kv = g.reshape(g.linear(x, weight("kv")), ["T", 1, 16]);
  const seen = g.attention(q, kv, kv, positions, { layer: 0, scale: 1, window: 4 });
  const logits = g.linear(g.gather(g.reshape(seen, ["T", 32]), g.rows()), weight("table"));
  const formats = new Map([...shapes.keys()].map((name) => [name, f32]));
  const program = compile(g.finish({ scores: logits }), { target, formats, tokensMax: 8, rowsMax: 8 });

  // Three tokens at positions 10 to 12 see positions 7 to 12; one at position 0 sees itself.
  const step = {
    sequences: [
      { start: 10, tokens: 3 },
      { start: 0, tokens: 1 },
    ],
    rows: 2,
  };
  const works = program.calls.map((call) => workOf(program, call, step, sizes));
  // Rows of 32 floats, or of 16 padded to 32, take 128 bytes; of 64, 256.
  const row = 128;
  const expected: readonly (readonly [string, number, number])[] = [
    ["embed", 4 * row + 4 * row, 0],
    ["linear", 32 * 32 * 4 + 2 * 4 * row, 2 * 4 * 32 * 32],
    ["linear", 32 * 32 * 4 + 2 * 4 * row, 2 * 4 * 16 * 32],
    ["cacheStore", 4 * row + 4 * 128, 0],
    ["attention", 2 * 4 * row + 7 * 128, 4 * 13 * 2 * 16],
    ["attention", 0, 0],
    ["gather", 2 * row + 2 * row, 0],
    ["linear", 64 * 32 * 4 + 2 * row + 2 * 256, 2 * 2 * 64 * 32],
  ];
  assert.deepEqual(
    works.map(({ bytes, operations }: Work, i) => [program.calls[i]!.op, bytes, operations]),
    expected,
  );
  assert.ok(works.every((w) => w.arithmetic === "f32"));
});
