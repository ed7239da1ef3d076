/**
 * Tiny models with random weights in every architecture: logits in exact mode equal those of Transformers (float32, eager), from
 * safetensors and from GGUF, on every level; and a batch, a chunked prompt and scattered blocks change no bit.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Level } from "../device/device.ts";
import { levels } from "../device/open.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { openLevels } from "./kernel-rig.ts";

const folder = new URL("../../fixtures/architecture/", import.meta.url);
const names = readdirSync(folder, { withFileTypes: true })
  .filter((f) => f.isDirectory())
  .map((f) => f.name);

interface Golden {
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

const { devices } = await openLevels();
const available = levels.filter((level) => devices.some((d) => d.level === level));
for (const device of devices) await device.close();

const small = { threads: 2, tokensMax: 64, rowsMax: 64, sequencesMax: 4, blocks: 12, context: 64 };

for (const name of names) {
  const golden = JSON.parse(readFileSync(new URL(`${name}/logits.json`, folder), "utf8")) as Golden;
  const gguf = new URL(`${name}.gguf`, folder);
  const sources = [new URL(`${name}/`, folder), ...(existsSync(gguf) ? [gguf] : [])];
  for (const source of sources) {
    for (const level of available) {
      describe(`${name} from ${source.pathname.endsWith("/") ? "safetensors" : "GGUF"} on ${level}`, () =>
        suite(source.pathname, golden, level));
    }
  }
}

function suite(path: string, golden: Golden, level: Level): void {
  let checkpoint: Checkpoint;
  let runner: Loaded;
  before(async () => {
    checkpoint = await openCheckpoint(path);
    runner = await loadRunner(checkpoint, { ...small, exact: true, level });
  });
  after(async () => {
    await runner?.close();
    checkpoint?.close();
  });
  const table = [7, 2, 11, 0, 5];

  test("logits equal Transformers'", async () => {
    const all = { tokens: golden.tokens, start: 0, blocks: table, outputs: golden.tokens.length };
    const { rows } = await runner.step([all]);
    for (const [i, position] of golden.positions.entries()) {
      const { logits } = rows[position]!;
      const scale = Math.max(...golden.logits[i]!.map(Math.abs));
      for (const [token, expected] of golden.logits[i]!.entries()) {
        const error = Math.abs(logits[token]! - expected);
        assert.ok(error <= 5e-5 * scale, `position ${position}, token ${token}: ${logits[token]}, not ${expected}`);
      }
    }
  });

  test("batching, chunks and blocks change no bit", async () => {
    const whole = await runner.step([
      { tokens: golden.tokens, start: 0, blocks: table, outputs: golden.tokens.length },
    ]);
    const expected = whole.rows.map((r) => r.logits.slice());
    const other = [1, 3, 4];
    for (let start = 0; start < golden.tokens.length; ) {
      const tokens = golden.tokens.slice(start, start + 1 + ((start * 7) % 11));
      const { rows } = await runner.step([
        { tokens: [...tokens, 3].slice(0, tokens.length), start, blocks: [10, 6, 9], outputs: tokens.length },
        { tokens: [5, 9, 2], start: 0, blocks: other, outputs: 1 },
      ]);
      for (let i = 0; i < tokens.length; i++) assert.deepEqual(rows[i]!.logits, expected[start + i]);
      start += tokens.length;
    }
  });
}
