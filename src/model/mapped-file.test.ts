import assert from "node:assert/strict";
import { mkdtempSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { UserError } from "../core/errors.ts";
import { mapFile, readByRange } from "./mapped-file.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-mapped-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "bytes");
const content = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 251);
writeFileSync(path, content);

const ways = {
  mapped: () => mapFile(path),
  "read by range": async () => readByRange(path, openSync(path, "r"), 10_000),
};

for (const [way, open] of Object.entries(ways)) {
  test(`${way}: any range, and none after close`, async () => {
    const file = await open();
    assert.equal(file.size, content.length);
    for (const [offset, length] of [
      [0, 10_000],
      [4097, 100],
      [9_999, 1],
      [10_000, 0],
    ] as const) {
      assert.deepEqual(Uint8Array.from(file.bytes(offset, length)), content.slice(offset, offset + length));
    }
    assert.throws(() => file.bytes(9_999, 2), /bug: bytes 9999\+2/);
    file.close();
    file.close();
    assert.throws(() => file.bytes(0, 1), /bug: .* after it was closed/);
  });
}

test("a file that shrinks while it is read is an error, not an endless loop", () => {
  const shrunk = join(folder, "shrunk");
  writeFileSync(shrunk, content.subarray(0, 100));
  const file = readByRange(shrunk, openSync(shrunk, "r"), 200);
  assert.throws(() => file.bytes(0, 200), UserError);
  file.close();
});

test("an empty file opens, a folder and a missing file are refused", async () => {
  const empty = join(folder, "empty");
  writeFileSync(empty, "");
  const file = await mapFile(empty);
  assert.equal(file.size, statSync(empty).size);
  file.close();
  await assert.rejects(mapFile(folder), UserError);
  await assert.rejects(mapFile(join(folder, "none")), /no such file/);
});
