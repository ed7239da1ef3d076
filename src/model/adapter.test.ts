/** Adapters against PEFT's logits, side by side in one batch, from safetensors and from GGUF; and what is refused. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "../core/errors.ts";
import { openAdapter, withAdapters } from "./adapter.ts";
import { loadRunner } from "./load.ts";
import { openCheckpoint } from "./open.ts";

const fixture = (path: string): string => fileURLToPath(new URL(`../../fixtures/${path}`, import.meta.url));

interface Golden {
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  readonly logits: readonly (readonly number[])[];
}
const golden = (path: string): Golden => JSON.parse(readFileSync(join(path, "logits.json"), "utf8"));

const small = { threads: 2, tokensMax: 128, rowsMax: 128, sequencesMax: 4, blocks: 16, context: 64, exact: true };

function assertNear(rows: readonly Float32Array[], { positions, logits }: Golden, what: string): void {
  for (const [i, position] of positions.entries()) {
    const scale = Math.max(...logits[i]!.map(Math.abs));
    for (const [token, expected] of logits[i]!.entries()) {
      const error = Math.abs(rows[position]![token]! - expected);
      assert.ok(error <= 5e-5 * scale, `${what}, position ${position}, token ${token}: off by ${error} of ${scale}`);
    }
  }
}

/** Logits of each, all in one step; `undefined` is the model itself. */
async function together(model: string, adapters: Readonly<Record<string, string>>): Promise<readonly Float32Array[][]> {
  const base = await openCheckpoint(model);
  const opened = new Map<string, Awaited<ReturnType<typeof openAdapter>>>();
  for (const [name, path] of Object.entries(adapters)) opened.set(name, await openAdapter(path, base));
  const checkpoint = withAdapters(base, opened);
  const runner = await loadRunner(checkpoint, small);
  try {
    const { tokens } = golden(model);
    const names = [undefined, ...opened.keys()];
    const { rows } = await runner.step(
      names.map((adapter, i) => ({
        tokens,
        start: 0,
        blocks: [4 * i, 4 * i + 1, 4 * i + 2],
        outputs: tokens.length,
        ...(adapter !== undefined && { adapter }),
      })),
    );
    return names.map((_, i) =>
      rows.slice(i * tokens.length, (i + 1) * tokens.length).map(({ logits }) => logits.slice()),
    );
  } finally {
    await runner.close();
    checkpoint.close();
  }
}

test("adapters of different ranks and the model itself share a batch, each as PEFT has it", async () => {
  const adapters = { attention: fixture("adapter/llama/attention"), all: fixture("adapter/llama/all") };
  const model = fixture("architecture/llama/");
  const [base, attention, all] = await together(model, adapters);
  assertNear(base!, golden(model), "the model itself");
  assertNear(attention!, golden(adapters.attention), "queries and values");
  assertNear(all!, golden(adapters.all), "all matrices, rank-stabilised");
  // Alone it is the same bits: what is beside it in the batch and in the matrices adds zeros.
  const [, alone] = await together(model, { all: adapters.all });
  assert.deepEqual(alone, all);
  const [plain] = await together(model, {});
  assert.deepEqual(plain, base);
});

test("gemma's adapter, and one of GGUF, whose rows of queries lie in another order", async () => {
  const gated = fixture("adapter/gemma3/gated");
  const [, gemma] = await together(fixture("architecture/gemma3/"), { gated });
  assertNear(gemma!, golden(gated), "gemma3");
  const peft = fixture("adapter/llama/attention");
  const [, fromGguf] = await together(fixture("architecture/llama/"), { a: fixture("adapter/llama/attention.gguf") });
  assertNear(fromGguf!, golden(peft), "GGUF");
});

test("what is no adapter of the model is refused by name", async () => {
  const base = await openCheckpoint(fixture("architecture/llama/"));
  const folder = mkdtempSync(join(tmpdir(), "heddle-adapter-"));
  const refused = (path: string, message: RegExp): Promise<void> =>
    assert.rejects(openAdapter(path, base), (error) => error instanceof UserError && message.test(error.message));
  try {
    await refused(join(folder, "none.safetensors"), /there is no such file/);
    await refused(folder, /has no adapter_model.safetensors/);
    await refused(fixture("adapter/gemma3/gated"), /\[8, 64\]|belongs to no matrix|fit/);
    await refused(fixture("architecture/llama/model.safetensors"), /neither adapter_config.json/);
    cpSync(fixture("adapter/llama/all"), folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));
    writeFileSync(join(folder, "adapter_config.json"), JSON.stringify({ ...config, use_dora: true }));
    await refused(folder, /DoRA/);
    writeFileSync(join(folder, "adapter_config.json"), "{");
    await refused(folder, /not JSON/);
    writeFileSync(join(folder, "adapter_config.json"), JSON.stringify({ ...config, r: 0 }));
    await refused(folder, /r and lora_alpha/);
  } finally {
    base.close();
    rmSync(folder, { recursive: true });
  }
});
