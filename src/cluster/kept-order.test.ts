import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../test/cluster-view.ts";
import { KeptOrder } from "./kept-order.ts";

test("equals stand as they came, and so do those that only rounding tells apart", () => {
  const ranks: Readonly<Record<string, number>> = { late: 0.1 + 0.2, same: 0.3, least: 0.3 - 1e-9 };
  const order = new KeptOrder(({ spec }) => ranks[spec.id]!);
  const jobs = Object.keys(ranks).map((id) => jobView(id));
  const view = clusterView(jobs, nodeSpecs(1, 1), { arrived: jobs });
  assert.deepEqual(
    Array.from(order.of(view), ({ spec }) => spec.id),
    ["least", "late", "same"],
  );
});
