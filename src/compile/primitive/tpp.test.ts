import assert from "node:assert/strict";
import { test } from "node:test";
import { referenceTarget } from "../../device/reference.ts";
import { checkClaim } from "../../sim/rig.ts";
import type { Primitive } from "../primitive.ts";
import { programWork } from "../schedule/tile-work.ts";
import { TileBuilder } from "../tile-builder.ts";
import fineGrained from "./fine-grained.ts";
import tpp from "./tpp.ts";

/** Loads and stores of a product of blocks 24 × 8 by 8 × 64, over some pairs. */
function accesses(set: Primitive, pairs: number): { readonly loads: number; readonly stores: number } {
  const b = new TileBuilder(referenceTarget);
  const block = (rows: number, columns: number) => ({ base: b.param(), rowBytes: columns * 4, rows, columns });
  const places = Array.from({ length: pairs }, (_, i) => 4096 * i);
  set.brgemm(b, block(24, 8), block(8, 64), { a: places, b: places }, block(24, 64), false);
  const { loops, once } = programWork(b.finish("product"));
  const count = (kind: "loads" | "stores"): number => loops.reduce((n, l) => n + l.turns * l.counts[kind], once[kind]);
  return { loads: count("loads"), stores: count("stores") };
}

test("sums of a batch stay in registers: each element of the result is stored once, however many pairs there are", () => {
  const whole = (24 * 64) / 16;
  assert.equal(accesses(tpp.create({}), 1).stores, whole);
  assert.equal(accesses(tpp.create({}), 9).stores, whole);
  assert.equal(accesses(fineGrained.create({}), 9).stores, 9 * whole);
});

test("an element that is loaded is used for all vectors of a tile, a vector for all of its rows", () => {
  const [mine, theirs] = [tpp, fineGrained].map((set) => accesses(set.create({}), 4).loads) as [number, number];
  assert.ok(mine * 4 < theirs, `${mine} and ${theirs}`);
});

test("tpp keeps its claim", async () => {
  const checked = await checkClaim("compile/primitive", "tpp");
  assert.ok(checked?.holds, JSON.stringify(checked));
});
