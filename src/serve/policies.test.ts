/**
 * Purity, trapped: every entry of every slot runs a workload in simulation while its views are frozen and clocks, randomness and
 * timers throw; and two runs decide alike.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gemmaOnTwoCores } from "../sim/pass-cost.ts";
import { type Setup, simulate } from "../sim/simulate.ts";
import { workload } from "../sim/workload.ts";
import { batchings } from "./batching.ts";
import { kvCaches } from "./kv-cache.ts";
import { speculations } from "./speculation.ts";

type Decider = object;

/** The same policy, its arguments frozen and the world's impurities trapped while it decides. */
function trapped<T extends Decider>(policy: T): T {
  return new Proxy(policy, {
    get(target, key) {
      const member = target[key as keyof T];
      if (typeof member !== "function") return member;
      return (...views: unknown[]) => {
        for (const view of views) freeze(view);
        return withoutWorld(() => member.apply(target, views));
      };
    },
  });
}

/** Plain data only: what the engine's own bookkeeping shows through getters stays the engine's to change. */
function freeze(value: unknown): void {
  const plain = Array.isArray(value) || Object.getPrototypeOf(value ?? 0) === Object.prototype;
  if (typeof value !== "object" || value === null || !plain || Object.isFrozen(value)) return;
  if ("table" in value) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}

function withoutWorld<R>(work: () => R): R {
  const fail = (what: string) => () => {
    throw new Error(`a policy used ${what}`);
  };
  const saved = { now: Date.now, random: Math.random, clock: performance.now, timeout: globalThis.setTimeout };
  Date.now = fail("Date.now");
  Math.random = fail("Math.random");
  performance.now = fail("performance.now");
  globalThis.setTimeout = fail("setTimeout") as unknown as typeof setTimeout;
  try {
    return work();
  } finally {
    Date.now = saved.now;
    Math.random = saved.random;
    performance.now = saved.clock;
    globalThis.setTimeout = saved.timeout;
  }
}

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
