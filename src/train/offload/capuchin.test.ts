import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork, residualNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryPlan, type MemoryView, type StepRecord } from "../memory.ts";
import capuchin from "./capuchin.ts";

const options = { feedback: 5, margin: 2 };

function train(view: MemoryView, steps: number, given = options): { plans: MemoryPlan[]; records: StepRecord[] } {
  const policy = capuchin.create(given);
  const [plans, records]: [MemoryPlan[], StepRecord[]] = [[], []];
  for (let step = 0; step < steps; step++) {
    plans.push(policy.plan({ ...view, drops: [], records }));
    records.push(price(view, plans.at(-1)!)!);
  }
  return { plans, records };
}

const capped = (view: MemoryView): MemoryView => ({ ...view, capacity: 0.55 * price(view, keepAll)!.peakBytes });
const network = (seconds: number): MemoryView =>
  capped(plainNetwork(8, { copy: { bytesPerSecond: 65536 / seconds, latencySeconds: 0 } }));

test("the first step evicts on demand; then copies are begun where nothing waits for them", () => {
  const { plans, records } = train(network(0.1), 2);
  assert.ok(plans[0]!.outs.length === 0 && records[0]!.evicted.length > 0);
  assert.ok(plans[1]!.outs.length > 0 && plans[1]!.drops.length === 0 && records[1]!.evicted.length === 0);
  assert.ok(records[1]!.stallSeconds < 0.3 * records[0]!.stallSeconds);
});

test("where copies would take longer than the gaps, cheap layers are computed again", () => {
  const view = network(5);
  const { plans, records } = train(view, 2);
  assert.ok(plans[1]!.drops.length > 0);
  assert.ok(plans[1]!.drops.some((d) => /^act/.test(view.tensors[d.tensor]!.name)));
  assert.ok(records[1]!.seconds < 0.5 * records[0]!.seconds);
});

test("a fetch that came late begins earlier in the next step, until stalls have shrunk", () => {
  const view = capped(residualNetwork(8, { copy: { bytesPerSecond: 32768 / 0.05, latencySeconds: 0 } }));
  const stalls = train(view, 16)
    .records.slice(1)
    .map((r) => r.stallSeconds);
  assert.ok(stalls[0]! > 0 && stalls.at(-1)! < 0.6 * stalls[0]!, `${stalls}`);
  const fixed = train(view, 16, { ...options, feedback: 0 }).records.map((r) => r.stallSeconds);
  assert.equal(fixed.at(-1), fixed[1]);
});
