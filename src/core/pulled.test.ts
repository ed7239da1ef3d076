import assert from "node:assert/strict";
import { test } from "node:test";
import { Pulled, pullOf } from "./pulled.ts";

const counted = (most: number) => {
  let [next, asked] = [0, 0];
  const walk = new Pulled(() => {
    asked++;
    return next < most ? next++ : undefined;
  });
  return { walk, asked: () => asked };
};

test("gives all items, 0 too, and does not ask again after the end", () => {
  const { walk, asked } = counted(3);
  assert.deepEqual([...walk], [0, 1, 2]);
  assert.deepEqual([...walk], []);
  assert.equal(asked(), 4);
});

test("asks for no more than somebody looks at", () => {
  const { walk, asked } = counted(100);
  for (const item of walk) if (item === 4) break;
  assert.equal(asked(), 5);
  assert.equal(walk.next().value, 5);
});

test("an array and a set give the same, one at a call", () => {
  const items = [{ a: 1 }, { a: 2 }];
  for (const of of [items, new Set(items)]) {
    const pull = pullOf(of);
    assert.deepEqual([pull(), pull(), pull()], [items[0], items[1], undefined]);
  }
});
