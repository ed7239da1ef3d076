/**
 * The same small models as safetensors and as GGUF mean the same; rope scalings give Transformers' logits; what is a
 * variant that would run wrong is refused.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "../core/errors.ts";
import type { TensorSource } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { loadRunner } from "./load.ts";
import { openCheckpoint } from "./open.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/architecture/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "heddle-open-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function valuesOf(tensor: TensorSource): Float32Array {
  const elements = tensor.shape.reduce((n, d) => n * d, 1);
  const values = new Float32Array(elements);
  dequantize(tensor.type, tensor.bytes(), elements, values);
  return values;
}

/** Larger differences than this are another weight, not another rounding: qwen2's GGUF is F16 of F32. */
const tolerance: Readonly<Record<string, number>> = { llama: 0, llama31: 0, qwen2: 2 ** -10, qwen3: 0 };

for (const [name, most] of Object.entries(tolerance)) {
  test(`${name}: safetensors and GGUF give the same tensors under the same names, and the same configuration`, async () => {
    const one = await openCheckpoint(join(fixtures, name));
    const other = await openCheckpoint(join(fixtures, `${name}.gguf`));
    try {
      assert.deepEqual([one.format, other.format], ["safetensors", "gguf"]);
      assert.deepEqual([...one.tensors.keys()].sort(), [...other.tensors.keys()].sort());
      for (const tensor of one.tensors.values()) {
        const twin = other.tensors.get(tensor.name)!;
        assert.deepEqual(twin.shape, tensor.shape, tensor.name);
        const values = valuesOf(twin);
        const far = valuesOf(tensor).findIndex(
          (v, i) => Math.abs(v - values[i]!) > most * Math.abs(v) + most * 2 ** -14,
        );
        assert.equal(far, -1, `${tensor.name} differs at ${far}`);
      }
      const { ropes, normEpsilon, ...rest } = one.config;
      const { ropes: otherRopes, normEpsilon: otherEpsilon, ...otherRest } = other.config;
      assert.deepEqual(otherRest, rest);
      // GGUF keeps the epsilon, and llama3's divisors, as f32.
      assert.ok(Math.abs(otherEpsilon / normEpsilon - 1) < 1e-6);
      for (const [layer, rope] of ropes.entries()) {
        assert.equal(otherRopes[layer]!.magnitude, rope.magnitude);
        for (const [i, frequency] of rope.frequencies.entries()) {
          assert.ok(Math.abs(otherRopes[layer]!.frequencies[i]! / frequency - 1) < 1e-6, `frequency ${i}`);
        }
      }
    } finally {
      one.close();
      other.close();
    }
  });
}

test("one .safetensors file stands for its folder", async () => {
  const checkpoint = await openCheckpoint(join(fixtures, "qwen2/model-00002-of-00003.safetensors"));
  assert.ok(checkpoint.tensors.has("embedding") && checkpoint.tensors.has("norm"));
  checkpoint.close();
});

/** A copy of a model whose config.json has other values. */
function changed(name: string, config: object): string {
  const copy = join(folder, name);
  rmSync(copy, { recursive: true, force: true });
  cpSync(join(fixtures, name), copy, { recursive: true });
  const path = join(copy, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...config }));
  return copy;
}

interface Golden {
  readonly tokens: number[];
  readonly positions: number[];
  readonly variants?: readonly { readonly config: object; readonly logits: readonly (readonly number[])[] }[];
}

for (const name of ["llama", "qwen2", "gemma3"]) {
  const golden = JSON.parse(readFileSync(join(fixtures, name, "logits.json"), "utf8")) as Golden;
  for (const { config, logits } of golden.variants ?? []) {
    test(`${name} with ${JSON.stringify(config)} has Transformers' logits`, async () => {
      const checkpoint = await openCheckpoint(changed(name, config));
      const sizes = { threads: 1, tokensMax: 64, rowsMax: 64, sequencesMax: 1, blocks: 8, context: 64 };
      const runner = await loadRunner(checkpoint, { ...sizes, exact: true, level: "wasm" });
      try {
        const { tokens } = golden;
        const step = { tokens, start: 0, blocks: [0, 1, 2, 3, 4, 5, 6, 7], outputs: tokens.length };
        const { rows } = await runner.step([step]);
        for (const [i, position] of golden.positions.entries()) {
          const most = 5e-5 * Math.max(...logits[i]!.map(Math.abs));
          const far = logits[i]!.findIndex((expected, t) => !(Math.abs(rows[position]!.logits[t]! - expected) <= most));
          assert.equal(far, -1, `position ${position}, token ${far}`);
        }
      } finally {
        await runner.close();
        checkpoint.close();
      }
    });
  }
}

for (const [what, config, says] of [
  ["rope scaling", { rope_scaling: { rope_type: "dynamic", factor: 2 } }, /"dynamic" is not supported[\s\S]*yarn/],
  ["a part of rope", { partial_rotary_factor: 0.5 }, /a part of each head/],
  ["capped logits", { final_logit_softcapping: 30 }, /caps its logits/],
  ["narrow heads", { head_dim: 8 }, /heads are 8 wide[\s\S]*multiples of 16/],
  ["uneven heads", { num_key_value_heads: 3 }, /4 query heads cannot share 3/],
  ["another width", { hidden_size: 128 }, /should be \[/],
  ["more layers", { num_hidden_layers: 3 }, /layer\.2\.[\w.]+ is missing/],
  ["no layers", { num_hidden_layers: 0 }, /num_hidden_layers is 0/],
  ["endless layers", { num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000/],
  ["an unknown type", { model_type: "mamba" }, /"mamba"[\s\S]*gemma3, llama, qwen2, qwen3/],
] as const) {
  test(`config.json with ${what} is refused`, async () => {
    await assert.rejects(openCheckpoint(changed("llama", config)), (error: unknown) => {
      assert.ok(error instanceof UserError, String((error as Error).stack));
      assert.match(error.message, says);
      return true;
    });
  });
}
