import assert from "node:assert/strict";
import { test } from "node:test";
import { referenceTarget } from "../../device/reference.ts";
import { programWork } from "../schedule/tile-work.ts";
import { TileBuilder } from "../tile-builder.ts";
import fineGrained from "./fine-grained.ts";

test("a product loads an element and a vector for each multiplication", () => {
  const b = new TileBuilder(referenceTarget);
  const block = (rows: number, columns: number) => ({ base: b.param(), rowBytes: columns * 4, rows, columns });
  fineGrained.create({}).brgemm(b, block(6, 8), block(8, 32), { a: [0], b: [0] }, block(6, 32), false);
  const { loops } = programWork(b.finish("product"));
  const total = (kind: "loads" | "products"): number => loops.reduce((n, l) => n + l.turns * l.counts[kind], 0);
  assert.equal(total("loads"), 2 * total("products"));
});
