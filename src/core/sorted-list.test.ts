import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "./random.ts";
import { SortedList } from "./sorted-list.ts";

test("it holds what a sorted array holds, over many chunks", () => {
  const random = stream(7);
  const list = new SortedList<number>((a, b) => a - b);
  const set = new Set<number>();
  for (let i = 0; i < 20_000; i++) {
    const item = Math.floor(random() * 6000);
    if (random() < 0.55) {
      if (!set.has(item)) list.add(item);
      set.add(item);
    } else assert.equal(list.delete(item), set.delete(item));
  }
  const sorted = [...set].sort((a, b) => a - b);
  assert.deepEqual([...list], sorted);
  assert.deepEqual([list.size, list.first()], [sorted.length, sorted[0]]);
  for (const item of sorted) assert.ok(list.delete(item));
  assert.deepEqual([[...list], list.first(), list.size], [[], undefined, 0]);
});
