/** The order of records: a function of seed and epoch, whatever the loader. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchOrder, type DataOp, epochOrder, type Pipeline } from "./pipeline.ts";

const pipeline = (shards: readonly number[], ops: readonly DataOp[], more: Partial<Pipeline> = {}): Pipeline => ({
  shards,
  ops,
  batch: 4,
  epochs: 2,
  seed: 3,
  ...more,
});

test("a shuffle gives every record once, another order each epoch, and no record further forward than its buffer", () => {
  for (const buffer of [1, 5, 64, 100]) {
    const given = pipeline([64], [{ kind: "shuffle", buffer }]);
    const [first, second] = [epochOrder(given, 0), epochOrder(given, 1)];
    assert.deepEqual(
      first.toSorted(),
      Int32Array.from({ length: 64 }, (_, i) => i),
    );
    assert.deepEqual(first, epochOrder(given, 0));
    if (buffer > 1) assert.notDeepEqual(first, second);
    for (const [place, record] of first.entries()) assert.ok(record - place < buffer, `buffer ${buffer}`);
  }
});

test("an interleave takes a block from each open shard in turn, and opens the next where one ends", () => {
  const order = epochOrder(pipeline([3, 1, 4], [{ kind: "interleave", cycle: 2, block: 2 }]), 0);
  assert.deepEqual([...order], [0, 1, 3, 4, 5, 2, 6, 7]);
});

test("batches are whole, and their epoch and records follow from their number", () => {
  const order = new BatchOrder(pipeline([10], [{ kind: "shuffle", buffer: 10 }]));
  assert.equal(order.count, 4);
  const all = Array.from({ length: 4 }, (_, i) => order.at(i));
  assert.deepEqual(
    all.map(({ epoch }) => epoch),
    [0, 0, 1, 1],
  );
  const again = new BatchOrder(pipeline([10], [{ kind: "shuffle", buffer: 10 }]));
  for (const position of [3, 0, 2]) assert.deepEqual(again.at(position), all[position]);
});

test("data that give no batch are refused with their number", () => {
  assert.throws(() => new BatchOrder(pipeline([3], [])), /batches of 4: there are 3 records/);
  assert.throws(() => new BatchOrder(pipeline([9], [{ kind: "shuffle", buffer: 0 }])), /whole numbers from 1 on/);
});
