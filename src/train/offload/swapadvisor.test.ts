import assert from "node:assert/strict";
import { test } from "node:test";
import { residualNetwork } from "../../test/memory-view.ts";
import { checkMemoryPlan } from "../memory/check-plan.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryView } from "../memory.ts";
import { Genes } from "./swapadvisor/genes.ts";
import swapadvisor from "./swapadvisor.ts";

const whole = residualNetwork(6, { copy: { bytesPerSecond: 32768 / 0.1, latencySeconds: 0 } });
const view: MemoryView = { ...whole, capacity: 0.6 * price(whole, keepAll)!.peakBytes };
const search = (generations: number) =>
  swapadvisor.create({ population: 8, generations, seed: 2 }).plan({ ...view, drops: [], records: [] });

test("the search ends better than the first population, and nearer to a step with room for everything", () => {
  const [first, last] = [search(0), search(12)].map((plan) => price(view, plan)!.seconds);
  const ideal = price(whole, keepAll)!.seconds;
  assert.ok(last! - ideal < 0.9 * (first! - ideal), `${ideal}, ${first}, ${last}`);
});

test("children of orders that keep dependencies keep them, and differ", () => {
  const genes = new Genes(view, 5);
  let [a, b] = genes.first(2);
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    [a, b] = [genes.mutated(genes.crossed(a!, b!)), a];
    checkMemoryPlan(view, { ...keepAll, order: a!.order, sizes: a!.sizes }, "genes");
    seen.add(`${a!.order}`);
  }
  assert.ok(seen.size > 20, `${seen.size}`);
});

test("steps that are alike are searched for once", () => {
  const plan = search(2);
  const record = price(view, plan)!;
  const policy = swapadvisor.create({ population: 8, generations: 2, seed: 3 });
  assert.equal(policy.plan({ ...view, drops: [], records: [record] }), plan);
});
