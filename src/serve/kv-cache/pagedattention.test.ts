import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveOptions } from "../../core/entry.ts";
import { BlockPool } from "../block-pool.ts";
import paged from "./pagedattention.ts";

const create = (given: Record<string, number> = {}) =>
  paged.create(resolveOptions("pagedattention", paged.options, given));
const poolOf = (blocks: number, swapBlocks = 0) =>
  new BlockPool({ blocks, blockSize: 16, swapBlocks }, "pagedattention");
const need = { id: 1, promptTokens: 40, tokensMax: 4000, choices: 1, length: 40, hashes: ["a", "b"] };

test("takes blocks as positions are written, not as they may be", () => {
  const pool = poolOf(8);
  assert.deepEqual(create().admit(pool, need, true), { tables: [[]], sharedBlocks: 0 });
  assert.deepEqual(create().grow(pool, { table: [], computed: 0, until: 40 })?.take.length, 3);
  assert.deepEqual(create().grow(pool, { table: [0, 1, 2], computed: 40, until: 48 }), { take: [], copies: [] });
  assert.equal(create().grow(pool, { table: [], computed: 0, until: 200 }), undefined);
});

test("a prompt that begins as a published one shares its blocks, all but that of the last token", () => {
  const pool = poolOf(8);
  for (const [block, hash] of [
    [3, "a"],
    [5, "b"],
  ] as const) {
    pool.take(block);
    pool.publish(block, hash);
    pool.release(block);
  }
  assert.deepEqual(create().admit(pool, need, true), { tables: [[3, 5]], sharedBlocks: 2 });
  assert.deepEqual(create().admit(pool, { ...need, promptTokens: 32, length: 32 }, true)?.tables, [[3]]);
  assert.deepEqual(create().admit(pool, { ...need, hashes: ["x", "b"] }, true)?.tables, [[]]);
  assert.deepEqual(create({ sharePrefixes: 0 }).admit(pool, need, true)?.tables, [[]]);
});

test("a block that others hold is copied before it is written", () => {
  const pool = poolOf(8);
  for (const block of [0, 1]) pool.take(block);
  pool.share(1);
  const growth = create().grow(pool, { table: [0, 1], computed: 20, until: 21 });
  assert.deepEqual(
    growth?.copies.map((c) => c.index),
    [1],
  );
  assert.equal(pool.references[growth!.copies[0]!.to], 0);
});

test("the youngest gives way, to the arena while it has room", () => {
  const running = [
    { id: 1, blocks: 3 },
    { id: 2, blocks: 3 },
  ];
  assert.deepEqual(create().preempt(poolOf(8, 8), running, 1), { request: 2, how: "recompute" });
  assert.deepEqual(create({ swap: 1 }).preempt(poolOf(8, 3), running, 1), { request: 2, how: "swap" });
  assert.deepEqual(create({ swap: 1 }).preempt(poolOf(8, 2), running, 1), { request: 2, how: "recompute" });
});

test("what was freed last is forgotten last", () => {
  const pool = poolOf(2);
  for (const [block, hash] of [
    [1, "old"],
    [0, "new"],
  ] as const) {
    pool.take(block);
    pool.publish(block, hash);
    pool.release(block);
  }
  assert.deepEqual(create().grow(pool, { table: [], computed: 0, until: 16 })?.take, [1]);
});
