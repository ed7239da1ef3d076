/** Every architecture as a graph of arrays: its logits are Transformers', with an adapter PEFT's. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ArrayBuilder, type ArrayValue } from "../../graph/array-builder.ts";
import { ArrayMath } from "../../graph/array-math.ts";
import type { Rope } from "../../graph/ir.ts";
import { openAdapter, withAdapters } from "../../model/adapter.ts";
import { buildGraph } from "../../model/architecture.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { dequantize } from "../../model/dequantize.ts";
import { openCheckpoint } from "../../model/open.ts";
import { evaluate } from "../../test/array-oracle.ts";
import { ropeTables, servedAsArrays } from "./served.ts";

const fixture = (path: string): string => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url));

interface Golden {
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

/** Logits [N, V] of one sequence. */
async function logitsOf(checkpoint: Checkpoint, tokens: readonly number[]): Promise<Float32Array> {
  const m = new ArrayMath(new ArrayBuilder());
  const given: Record<string, Float32Array | Int32Array> = { tokens: Int32Array.from(tokens) };
  const input = (name: string, shape: readonly number[], data: Float32Array): ArrayValue => {
    given[name] = data;
    return m.builder.add({ kind: "input", name }, [], { dtype: "f32", shape });
  };
  const ropes = new Map<Rope, { cos: ArrayValue; sin: ArrayValue }>();
  const { logits } = servedAsArrays(
    m,
    await buildGraph(checkpoint),
    {
      tokens: m.builder.add({ kind: "input", name: "tokens" }, [], { dtype: "i32", shape: [1, tokens.length] }),
      weight(name, shape) {
        const tensor = checkpoint.tensors.get(name)!;
        const values = new Float32Array(shape.reduce((n, d) => n * d, 1));
        dequantize(tensor.type, tensor.bytes(), values.length, values);
        return input(name, shape, values);
      },
      rope(rope) {
        const { cos, sin } = ropeTables(rope, tokens.length);
        const shape = [tokens.length, rope.frequencies.length];
        const known = ropes.get(rope) ?? {
          cos: input(`cos${ropes.size}`, shape, cos),
          sin: input(`sin${ropes.size}`, shape, sin),
        };
        ropes.set(rope, known);
        return known;
      },
    },
    false,
  );
  return evaluate(m.builder.finish({ logits }), given).logits as Float32Array;
}

function assertNear(found: Float32Array, { positions, logits }: Golden, what: string): void {
  for (const [i, position] of positions.entries()) {
    const scale = Math.max(...logits[i]!.map(Math.abs));
    for (const [token, expected] of logits[i]!.entries()) {
      const value = found[position * logits[i]!.length + token]!;
      assert.ok(
        Math.abs(value - expected) <= 5e-5 * scale,
        `${what}, ${position}, ${token}: ${value}, not ${expected}`,
      );
    }
  }
}

const golden = (folder: string): Golden => JSON.parse(readFileSync(join(folder, "logits.json"), "utf8"));

const folders = readdirSync(fixture("architecture"), { withFileTypes: true }).filter((f) => f.isDirectory());
for (const { name } of folders) {
  test(`${name}: the logits of Transformers`, async () => {
    const checkpoint = await openCheckpoint(fixture(`architecture/${name}/`));
    const expected = golden(fixture(`architecture/${name}`));
    assertNear(await logitsOf(checkpoint, expected.tokens), expected, name);
    checkpoint.close();
  });
}

test("gemma3 with an adapter: the logits of PEFT", async () => {
  const checkpoint = await openCheckpoint(fixture("architecture/gemma3/"));
  const folder = fixture("adapter/gemma3/gated");
  const adapted = withAdapters(checkpoint, new Map([["gated", await openAdapter(folder, checkpoint)]]));
  const expected = golden(folder);
  assertNear(await logitsOf(adapted, expected.tokens), expected, "adapter");
  checkpoint.close();
});
