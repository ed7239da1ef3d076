import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlockType, blockFormats, blockLayout } from "../block-format.ts";
import { lowerLinear } from "../lower/linear.ts";
import { wasmTarget } from "../render/wasm.ts";
import { renderX64, x64Targets } from "../render/x64.ts";
import { listing } from "../render/x64-listing.ts";
import { vectorsNeeded } from "../render/x64-registers.ts";
import type { Target } from "../tile.ts";
import { defaultSchedule, tileFor } from "./linear.ts";

const shape = { n: 64, k: 512, bias: false };
const near = x64Targets["x64-avx512"];
const far: Target = { ...near, fetchInto: 2, repeated: "memory" };

const format = (type: BlockType) => ({ kind: "blocks", type }) as const;
const ahead = (target: Target, type: BlockType): number =>
  tileFor(defaultSchedule(target, format(type), shape), 1).prefetch;
const fetches = (target: Target, type: BlockType): string[] =>
  listing(renderX64(lowerLinear(target, format(type), shape)))
    .map(({ mnemonic }) => mnemonic)
    .filter((mnemonic) => mnemonic.startsWith("prefetch"));

const types = Object.keys(blockFormats) as BlockType[];

test("one token's weights are fetched into the first level where it can wait for many lines", () => {
  for (const type of ["Q8_0", "Q4_0", "Q4_K", "Q5_0", "Q6_K"] as const) {
    assert.ok(ahead(near, type) > 0, type);
    assert.deepEqual([...new Set(fetches(near, type))], ["prefetcht0"], type);
  }
});

test("where it cannot, all are plain streams and the hardware's, and what else is fetched goes into the second level", () => {
  for (const type of types) {
    assert.equal(ahead(far, type), 0, type);
    assert.deepEqual([...new Set(fetches(far, type))], ["prefetcht1"], type);
  }
});

test("without AVX-512 too a short block is read at once there, and by halves of panels elsewhere", () => {
  const narrow = x64Targets["x64-avx2"];
  for (const type of types.filter((type) => blockFormats[type].block === 32)) {
    const order = (target: Target): string => tileFor(defaultSchedule(target, format(type), shape), 1).order;
    assert.deepEqual([order(narrow), order({ ...narrow, fetchInto: 2 })], ["tokens", "blocks"], type);
  }
});

/** Lines of a block in the order in which one token's tile comes to them, as offsets from the register that has most of them. */
function linesOf(type: BlockType): number[] {
  const { tile } = defaultSchedule(far, format(type), shape).cases[0]!;
  const program = lowerLinear(far, format(type), shape, { cases: [], rest: tile });
  const places = listing(renderX64(program)).flatMap(({ operands }) => {
    const [, base, offset = "0"] = /[XYZ]MMWORD PTR \[(r\w+)(?:\+0x([0-9a-f]+))?\]$/.exec(operands) ?? [];
    return base === undefined ? [] : [{ base, line: Math.floor(Number.parseInt(offset, 16) / 64) }];
  });
  const of = (base: string) => places.filter((place) => place.base === base);
  const [panel] = [...new Set(places.map(({ base }) => base))].map(of).sort((x, y) => y.length - x.length);
  return [...new Set(panel!.map(({ line }) => line))];
}

test("activations of few tokens are repeated within each product where that costs nothing", () => {
  for (const type of types) {
    for (const [target, operand] of [
      [near, "register"],
      [far, "memory"],
    ] as const)
      assert.equal(tileFor(defaultSchedule(target, format(type), shape), 16).operand, operand, type);
  }
});

test("one token's tile comes to each line of a block in the order in which they lie, but for two", () => {
  for (const type of types) {
    const lines = linesOf(type);
    assert.equal(lines.length, blockLayout(blockFormats[type]).bytes / 64, type);
    for (const [i, line] of lines.entries()) assert.ok(Math.abs(line - i) <= 2, `${type}: line ${line} comes ${i}th`);
  }
});

test("the analytical choice of every format fits the registers, on every level", () => {
  for (const [level, target] of Object.entries({ ...x64Targets, wasm: wasmTarget })) {
    for (const type of types) {
      const needed = vectorsNeeded(lowerLinear(target, format(type), shape));
      assert.ok(needed <= target.registers, `${type} on ${level}: ${needed} of ${target.registers}`);
    }
  }
});
