import assert from "node:assert/strict";
import { test } from "node:test";
import { lowerMatmul, type MatmulShape } from "../lower/matmul.ts";
import type { Address } from "../tile.ts";
import { at, broadcast, TileBuilder } from "../tile-builder.ts";
import { renderWasm, wasmTarget } from "./wasm.ts";
import { fewBases, sharedWords } from "./wasm-broadcast.ts";
import { intOps } from "./wasm-opcodes.ts";

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

test("words at a few offsets have them in the instruction; more than V8 has registers for do not", () => {
  const bases = (offsets: readonly number[]): boolean => {
    const b = new TileBuilder(wasmTarget);
    const from = b.param();
    for (const offset of offsets) b.broadcastF(at(from, offset));
    const { body } = b.finish("rows");
    return fewBases(body, sharedWords(body));
  };
  const rows = (count: number): number[] => Array.from({ length: count }, (_, r) => r * 2048);
  assert.equal(bases(rows(7)), true);
  assert.equal(bases(rows(8)), false);
  assert.equal(bases([...rows(4), ...rows(4), ...rows(4)]), true);
  // Four neighbours are a vector, whose offset costs nothing.
  assert.equal(bases([...rows(4), 16, 20, 24, 28, 32, 36, 40, 44]), true);
});

test("the inner loop of a product adds nothing to the addresses of its rows", () => {
  const shape: MatmulShape = {
    ...{ m: 96, n: 96, k: 512, arithmetic: "f32", scaled: false },
    ...{ a: { stride: 512, type: "f32" }, b: { stride: 512, type: "f32", transposed: true }, c: { stride: 96 } },
  };
  const { program } = lowerMatmul(wasmTarget, shape).calls.at(-1)!;
  const code = renderWasm(program, { fma: true, madd8: true });
  const repeats = code.flatMap((_, i) => (code[i] === 0xfd && code[i + 1] === 9 && code[i + 2] === 0 ? [i] : []));
  const added = repeats.filter((i) => code[i - 1] === intOps.add);
  assert.equal(repeats.length, 3);
  assert.equal(added.length, 0);
});
