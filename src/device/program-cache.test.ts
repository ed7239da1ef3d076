/** Compiled programs on disk: a second load compiles nothing and computes the same; what is damaged is not run. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import type { Level } from "./device.ts";
import { readKept, writeKept } from "./kept-file.ts";
import { levels } from "./open.ts";
import { type ProgramCache, programCache } from "./program-cache.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-programs-"));
after(() => rmSync(folder, { recursive: true }));
const model = fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url));
const files = (): string[] => readdirSync(folder).map((f) => join(folder, f));

/** Which files were read and written: each load asks a cache of its own. */
function counted(): { readonly cache: ProgramCache; readonly seen: string[] } {
  const seen: string[] = [];
  const inner = programCache(folder);
  const cache: ProgramCache = {
    at(parts) {
      const kept = inner.at(parts);
      return {
        read() {
          const found = kept.read();
          seen.push(found === undefined ? "missed" : "found");
          return found;
        },
        write(program) {
          seen.push("written");
          kept.write(program);
        },
      };
    },
  };
  return { cache, seen };
}

async function logits(programs: ProgramCache | undefined, level?: Level, tokensMax = 64): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(model);
  const options = { threads: 1, blocks: 4, tokensMax, ...(level && { level }), ...(programs && { programs }) };
  const runner = await loadRunner(checkpoint, options);
  try {
    const { rows } = await runner.step([{ tokens: [3, 1, 4], start: 0, blocks: [0], outputs: 1 }]);
    await runner.embed([3, 1, 4], [1]);
    return rows[0]!.logits.slice();
  } finally {
    await runner.close();
    checkpoint.close();
  }
}

for (const level of levels) {
  test(`${level}: the second load takes what the first has written, and computes the same`, async () => {
    const plain = await logits(undefined, level).catch(() => undefined);
    if (plain === undefined) return;
    const [first, second] = [counted(), counted()];
    assert.deepEqual(await logits(first.cache, level), plain);
    assert.deepEqual(await logits(second.cache, level), plain);
    const kept = level !== "reference";
    assert.deepEqual(first.seen, kept ? ["missed", "written", "missed", "written"] : []);
    assert.deepEqual(second.seen, kept ? ["found", "found"] : []);
  });
}

test("other limits are another program", async () => {
  const { cache, seen } = counted();
  await logits(cache, undefined, 32);
  assert.deepEqual(seen.slice(0, 2), ["missed", "written"]);
});

test("a damaged file is compiled again, never run", async () => {
  for (const [i, path] of files().entries()) {
    const bytes = readFileSync(path);
    assert.equal(statSync(path).mode & 0o077, 0, "others may not write what is run");
    if (i % 2 === 0) writeFileSync(path, bytes.subarray(0, bytes.length / 2));
    else {
      bytes[bytes.length - 5]! ^= 1;
      writeFileSync(path, bytes);
    }
  }
  const { cache, seen } = counted();
  await logits(cache);
  assert.deepEqual(seen, ["missed", "written", "missed", "written"]);
});

test("a file that somebody else may have written is never run, nor one that was kept for another program", async () => {
  const place = join(folder, "own");
  const [one, other] = [join(place, "one"), join(place, "other")];
  writeKept(one, Uint8Array.of(7), 2);
  const bytes = readFileSync(one);
  chmodSync(one, 0o666);
  assert.equal(readKept(one), undefined);
  chmodSync(one, 0o600);
  assert.ok(readKept(one) !== undefined);
  if (process.getuid?.() === 0) {
    chownSync(one, 1, 1);
    assert.equal(readKept(one), undefined);
    chownSync(one, 0, 0);
  }
  writeFileSync(other, bytes, { mode: 0o600 });
  assert.equal(readKept(other), undefined);
  rmSync(place, { recursive: true });
});

test("of what is kept the newest stay, and what a killed process left goes with the oldest", () => {
  const place = join(folder, "few");
  const name = (i: number): string => join(place, `${i}`);
  for (let i = 0; i < 5; i++) {
    writeKept(name(i), Uint8Array.of(i), 3);
    utimesSync(name(i), i, i);
    if (i === 0) {
      writeFileSync(`${name(0)}.killed`, "");
      utimesSync(`${name(0)}.killed`, 0, 0);
    }
  }
  assert.deepEqual(readdirSync(place).sort(), ["2", "3", "4"]);
  assert.deepEqual(readKept(name(4)), Buffer.of(4));
  rmSync(place, { recursive: true });
});

test("a folder that cannot be written costs nothing but speed", async () => {
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  const expected = await logits(undefined);
  assert.deepEqual(await logits(programCache(join(file, "programs"))), expected);
});
