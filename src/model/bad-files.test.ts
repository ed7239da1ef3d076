/** Damaged files of weights: each is a `UserError` that says what is wrong, or opens; none crashes, hangs or takes all memory. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "../core/errors.ts";
import { stream } from "../core/random.ts";
import { buildGraph } from "./architecture.ts";
import { openCheckpoint } from "./open.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-bad-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "model.gguf");
const fixtures = fileURLToPath(new URL("../../fixtures/", import.meta.url));
const whole = readFileSync(join(fixtures, "noise.gguf"));

/** Opens the file and reads all that loading would read of it. */
async function readAll(at: string): Promise<void> {
  const checkpoint = await openCheckpoint(at);
  try {
    for (const tensor of checkpoint.tensors.values()) tensor.bytes();
    checkpoint.tokenizer.encode("a");
    await buildGraph(checkpoint);
  } finally {
    checkpoint.close();
  }
}

async function refused(bytes: Uint8Array, what: RegExp = /./): Promise<void> {
  writeFileSync(path, bytes);
  await assert.rejects(readAll(path), (error: unknown) => {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    assert.match(error.message, what);
    return true;
  });
}

/** The damaged file as a whole was acceptable, or is refused: nothing else. */
async function survives(bytes: Uint8Array): Promise<boolean> {
  writeFileSync(path, bytes);
  try {
    await readAll(path);
    return true;
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return false;
  }
}

test("the whole file opens", async () => assert.equal(await survives(whole), true));

test("a GGUF truncated at 200 places", async () => {
  for (let i = 0; i < 200; i++) {
    // Half of the places in the header, where the structure is; half anywhere.
    const place = i < 100 ? Math.floor((i * 12_000) / 100) : Math.floor((i * whole.length) / 200);
    await refused(whole.subarray(0, place));
  }
  await refused(whole.subarray(0, whole.length - 1));
});

test("absurd counts and offsets in the header", async () => {
  for (const [at, what] of [
    [8, "tensors"],
    [16, "metadata"],
  ] as const) {
    for (const value of [2n ** 63n - 1n, 2n ** 64n - 1n, 2n ** 40n, 2n ** 32n, 10_000_000n]) {
      const bytes = Uint8Array.from(whole);
      new DataView(bytes.buffer).setBigUint64(at, value, true);
      await refused(bytes).catch((error) => assert.fail(`${what} ${value}: ${error}`));
    }
  }
  const version = Uint8Array.from(whole);
  version[4] = 99;
  await refused(version, /99/);
});

test("fewer rows of the embedding than tokens, and numbers that are none", async () => {
  const fewer = Uint8Array.from(whole);
  // The dimensions follow the tensor's name and their own number.
  const shape = Buffer.from(whole).indexOf("token_embd.weight") + "token_embd.weight".length + 4;
  new DataView(fewer.buffer).setBigUint64(shape + 8, 33n, true);
  await refused(fewer, /288 tokens, and token_embd\.weight only 33 rows/);
  const epsilon = Uint8Array.from(whole);
  const key = "llama.attention.layer_norm_rms_epsilon";
  new DataView(epsilon.buffer).setFloat32(Buffer.from(whole).indexOf(key) + key.length + 4, Number.NaN, true);
  await refused(epsilon, /layer_norm_rms_epsilon is NaN, and must be a positive number/);
});

test("2,000 random changes of header bytes and words, five a file", async () => {
  const random = stream(5);
  let opened = 0;
  for (let i = 0; i < 400; i++) {
    const bytes = Uint8Array.from(whole.subarray(0));
    const view = new DataView(bytes.buffer);
    for (let n = 0; n < 5; n++) {
      const at = Math.floor(random() * 12_000);
      if (n % 2 === 0) bytes[at] = Math.floor(random() * 256);
      else view.setBigUint64(at, [0n, 2n ** 64n - 1n, 2n ** 63n, 2n ** 31n, 1n][Math.floor(random() * 5)]!, true);
    }
    if (await survives(bytes)) opened++;
  }
  assert.ok(opened < 400, "no change was ever noticed");
});

test("an architecture that is not known is named, with those that are", async () => {
  const text = Buffer.from(whole);
  const at = text.indexOf("general.architecture") + "general.architecture".length + 4 + 8;
  text.write("xlama", at, "latin1");
  await refused(text, /xlama[\s\S]*gemma3/);
});

test("what is no model at all", async () => {
  await refused(new Uint8Array(0));
  await refused(Buffer.from("GGUX and then some more text, long enough to look at"));
  await assert.rejects(readAll(join(folder, "missing.gguf")), UserError);
  await assert.rejects(readAll(folder), UserError);
});

test("safetensors: truncated, absurd header lengths, broken JSON, missing shards", async () => {
  const copy = join(folder, "llama");
  cpSync(join(fixtures, "architecture/llama"), copy, { recursive: true });
  const file = join(copy, "model.safetensors");
  const tensors = readFileSync(file);
  const rejects = async (bytes: Uint8Array): Promise<void> => {
    writeFileSync(file, bytes);
    await assert.rejects(readAll(copy), (error: unknown) => error instanceof UserError);
  };
  for (let i = 0; i < 60; i++) await rejects(tensors.subarray(0, Math.floor((i * tensors.length) / 60)));
  for (const length of [0n, 1n, 2n ** 40n, 2n ** 63n]) {
    const bytes = Uint8Array.from(tensors);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    await rejects(bytes);
  }
  const broken = Uint8Array.from(tensors);
  broken[9] = 0x7b;
  await rejects(broken);
  writeFileSync(file, tensors);
  await readAll(copy);
  const sharded = join(folder, "qwen2");
  cpSync(join(fixtures, "architecture/qwen2"), sharded, { recursive: true });
  await readAll(sharded);
  const index = JSON.parse(readFileSync(join(sharded, "model.safetensors.index.json"), "utf8"));
  rmSync(join(sharded, Object.values(index.weight_map as Record<string, string>)[0]!));
  await assert.rejects(readAll(sharded), UserError);
});
