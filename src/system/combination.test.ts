import assert from "node:assert/strict";
import { test } from "node:test";
import { rigs } from "../sim/rig.ts";
import { combinations, loadCombination } from "./combination.ts";

for (const id of combinations()) {
  test(`${id} names entries that exist, one for each slot`, async () => {
    const system = await loadCombination(id);
    assert.ok(system !== undefined);
    for (const { slot } of rigs) assert.ok(slot.ids().includes(system.slots[slot.path] ?? ""), `${id}: ${slot.path}`);
    assert.equal(Object.keys(system.slots).length, rigs.length);
  });
}

test("an unknown system is none", async () => assert.equal(await loadCombination("nobody"), undefined));
