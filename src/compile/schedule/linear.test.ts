import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockType } from "../block-format.ts";
import { lowerLinear } from "../lower/linear.ts";
import { renderX64, x64Targets } from "../render/x64.ts";
import { listing } from "../render/x64-listing.ts";
import type { Target } from "../tile.ts";
import { defaultSchedule, tileFor } from "./linear.ts";

const shape = { n: 64, k: 512, bias: false };
const near = x64Targets["x64-avx512"];
const far: Target = { ...near, fetchInto: 2 };

const format = (type: BlockType) => ({ kind: "blocks", type }) as const;
const ahead = (target: Target, type: BlockType): number =>
  tileFor(defaultSchedule(target, format(type), shape), 1).prefetch;
const fetches = (target: Target, type: BlockType): string[] =>
  listing(renderX64(lowerLinear(target, format(type), shape)))
    .map(({ mnemonic }) => mnemonic)
    .filter((mnemonic) => mnemonic.startsWith("prefetch"));

test("one token's weights are fetched into the first level where it can wait for many lines", () => {
  for (const type of ["Q8_0", "Q4_0", "Q4_K", "Q5_0", "Q6_K"] as const) {
    assert.ok(ahead(near, type) > 0, type);
    assert.deepEqual([...new Set(fetches(near, type))], ["prefetcht0"], type);
  }
});

test("where it cannot, plain streams are the hardware's, and what comes back to its words goes into the second level", () => {
  for (const type of ["Q8_0", "Q4_0", "Q4_K", "Q5_0"] as const) assert.equal(ahead(far, type), 0, type);
  for (const type of ["Q5_K", "Q6_K"] as const) {
    assert.ok(ahead(far, type) > 0, type);
    assert.deepEqual([...new Set(fetches(far, type))], ["prefetcht1"], type);
  }
});
