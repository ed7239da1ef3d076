import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockPool } from "../block-pool.ts";
import contiguous from "./contiguous.ts";

const policy = contiguous.create({});
const need = { id: 1, promptTokens: 20, tokensMax: 40, choices: 1, length: 20, hashes: [] };

test("reserves the most that a sequence may become, in one run, first fit", () => {
  const pool = new BlockPool({ blocks: 12, blockSize: 16, swapBlocks: 0 }, "contiguous");
  pool.take(1);
  assert.deepEqual(policy.admit(pool, need, false)?.tables, [[2, 3, 4, 5]]);
  assert.deepEqual(policy.admit(pool, { ...need, choices: 2 }, false)?.tables, [
    [2, 3, 4, 5],
    [6, 7, 8, 9],
  ]);
  assert.equal(policy.admit(pool, { ...need, choices: 3 }, false), undefined);
});

test("free blocks that are not neighbours are of no use: external fragmentation", () => {
  const pool = new BlockPool({ blocks: 8, blockSize: 16, swapBlocks: 0 }, "contiguous");
  for (const block of [2, 5]) pool.take(block);
  assert.equal(policy.admit(pool, need, true), undefined);
});

test("never needs more: growth takes nothing, choices copy the prompt into their own run", () => {
  const pool = new BlockPool({ blocks: 8, blockSize: 16, swapBlocks: 0 }, "contiguous");
  assert.deepEqual(policy.grow(pool, { table: [0, 1, 2, 3], computed: 20, until: 60 }), { take: [], copies: [] });
  assert.deepEqual(policy.fork(pool, { table: [0, 1, 2, 3], computed: 20, siblings: [[4, 5, 6, 7]] }), [
    {
      share: [],
      copies: [
        { from: 0, to: 4 },
        { from: 1, to: 5 },
      ],
    },
  ]);
});
