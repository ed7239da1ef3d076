/** Strings that lie in a file: decoded one by one, found by their bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StringList } from "./string-list.ts";

function listOf(strings: readonly string[]): StringList {
  const parts = strings.map((s) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(s)));
    return Buffer.concat([length, Buffer.from(s)]);
  });
  const starts = [0];
  for (const part of parts) starts.push(starts.at(-1)! + part.length);
  return new StringList(new Uint8Array(Buffer.concat(parts)), Uint32Array.from(starts));
}

test("strings of any length and alphabet are read, and found, the last of equals", () => {
  const strings = ["a", "", "▁x", "naïve", "🙂", "a", "\u0000", "x".repeat(300)];
  const list = listOf(strings);
  assert.deepEqual([...list], strings);
  assert.deepEqual([list.length, list.at(-1), list.at(8), list.at(0.5)], [8, undefined, undefined, undefined]);
  for (const s of strings) assert.equal(list.indexByText(s), strings.lastIndexOf(s), JSON.stringify(s));
  for (const s of ["b", "▁", "naive", "xx", "\ufffd"]) assert.equal(list.indexByText(s), undefined, s);
  assert.equal(listOf([]).indexByText("a"), undefined);
});

test("as a Map would, for ten thousand strings", () => {
  const strings = Array.from({ length: 10_000 }, (_, i) => ((i * 7919) % 6000).toString(36));
  const list = listOf(strings);
  const map = new Map(strings.map((s, i) => [s, i]));
  for (let i = 0; i < 8000; i++) assert.equal(list.indexByText(i.toString(36)), map.get(i.toString(36)), `${i}`);
});
