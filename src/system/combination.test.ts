import assert from "node:assert/strict";
import { test } from "node:test";
import { rigOf, rigs } from "../sim/rig.ts";
import { combinations, loadCombination } from "./combination.ts";

const areaOf = (path: string): string => path.split("/")[0]!;

for (const id of combinations()) {
  test(`${id} names entries that exist, one for each slot of an area`, async () => {
    const system = await loadCombination(id);
    assert.ok(system !== undefined);
    for (const [path, entry] of Object.entries(system.slots)) assert.ok(rigOf(path).slot.ids().includes(entry), path);
    const areas = new Set(Object.keys(system.slots).map(areaOf));
    const slots = rigs.map(({ slot }) => slot.path).filter((path) => areas.has(areaOf(path)));
    assert.deepEqual(Object.keys(system.slots).sort(), slots.sort());
  });
}

test("an unknown system is none", async () => assert.equal(await loadCombination("nobody"), undefined));
