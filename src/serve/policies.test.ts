/**
 * Purity, trapped: every entry of every slot runs a workload in simulation while its views are frozen and clocks, randomness and
 * timers throw; and two runs decide alike.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gemmaOnTwoCores } from "../sim/pass-cost.ts";
import { type Setup, simulate } from "../sim/simulate.ts";
import { workload } from "../sim/workload.ts";
import { trapped } from "../test/trapped.ts";
import { batchings } from "./batching.ts";
import { kvCaches } from "./kv-cache.ts";
import { speculations } from "./speculation.ts";

const limits = { tokens: 256, sequences: 32 };

async function setup(ids: { batching: string; kvCache: string; speculation: string }): Promise<Setup> {
  return {
    batching: trapped(await batchings.create(ids.batching)),
    kvCache: trapped(await kvCaches.create(ids.kvCache)),
    speculation: trapped(await speculations.create(ids.speculation)),
    names: ids,
    cost: gemmaOnTwoCores,
    blocks: 400,
    swapBlocks: 40,
    limits,
  };
}

const usual = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
const slots = { batching: batchings, kvCache: kvCaches, speculation: speculations } as const;

for (const [key, slot] of Object.entries(slots)) {
  for (const id of slot.ids()) {
    test(`${slot.path}/${id} decides purely, twice the same, and every request ends`, async () => {
      const ids = { ...usual, [key]: id };
      const load = workload("bursty", 3);
      const first = simulate(await setup(ids), load);
      assert.deepEqual(simulate(await setup(ids), load), first);
      const ended = first.flatMap((line) => (line.kind === "done" ? line.produced.filter((p) => p.ended) : []));
      assert.equal(ended.length, load.requests.length);
    });
  }
}

test("the trap does spring", () => {
  const impure = trapped({ decide: () => Math.random() });
  assert.throws(() => impure.decide(), /Math.random/);
  const greedy = trapped({ decide: (view: { list: number[] }) => view.list.push(1) });
  assert.throws(() => greedy.decide({ list: [] }), TypeError);
});
