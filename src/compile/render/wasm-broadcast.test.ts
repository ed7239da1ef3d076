import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../tile.ts";
import { at, broadcast, TileBuilder } from "../tile-builder.ts";
import { wasmTarget } from "./wasm.ts";
import { sharedWords } from "./wasm-broadcast.ts";

/** For each word that `write` repeats, in order: the offset of the load that serves it, or `alone`. */
function served(write: (b: TileBuilder, word: (offset: number) => Address) => void): (number | "alone")[] {
  const b = new TileBuilder(wasmTarget);
  const from = b.param();
  const words: Address[] = [];
  write(b, (offset) => {
    const address = at(from, offset);
    words.push(address);
    return address;
  });
  const shared = sharedWords(b.finish("words").body);
  return words.map((word) => shared.get(word)?.run.from.offset ?? "alone");
}

test("four neighbouring words are one load, in any order and as operands too", () => {
  const all = served((b, word) => {
    const sum = b.constF(0);
    for (const offset of [20, 28, 16]) b.fma(sum, sum, broadcast(word(offset)));
    b.broadcastF(word(24));
    b.broadcastF(word(32));
  });
  assert.deepEqual(all, [16, 16, 16, 16, "alone"]);
});

test("three of four are loaded alone: the fourth may lie beyond the memory", () => {
  assert.deepEqual(
    served((b, word) => [0, 4, 12].forEach((offset) => void b.broadcastI(word(offset)))),
    ["alone", "alone", "alone"],
  );
});

test("a store, a loop, or a cursor that moves on ends a run", () => {
  const cuts: ((b: TileBuilder, cursor: Address) => void)[] = [
    (b) => b.store(at(b.scratch), b.constI(1)),
    (b) => b.for(0, 3, 1, () => {}),
    (b, { base }) => void b.add(base, 16, base),
  ];
  for (const cut of cuts) {
    const all = served((b, word) => {
      for (const offset of [0, 4]) b.broadcastI(word(offset));
      cut(b, word(0));
      for (const offset of [8, 12]) b.broadcastI(word(offset));
    });
    assert.deepEqual(new Set(all), new Set(["alone"]));
  }
});
