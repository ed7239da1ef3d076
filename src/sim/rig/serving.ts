/** Rigs of serving: one slot varies, the others hold what is usual; prices on a virtual clock, or counts on the machine. */
import type { Claim } from "../../core/entry.ts";
import type { Slot } from "../../core/slot.ts";
import { batchings } from "../../serve/batching.ts";
import { kvCaches } from "../../serve/kv-cache.ts";
import { speculations } from "../../serve/speculation.ts";
import { type Policies, runOnMachine } from "../machine.ts";
import { gemmaOnTwoCores } from "../pass-cost.ts";
import type { Given, Rig } from "../rig.ts";
import { countedMetrics, type Metrics, serveMetrics } from "../serve-metrics.ts";
import { blockSize, simulate } from "../simulate.ts";
import { workload } from "../workload.ts";

export interface ServeSlots {
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
}

const usual: ServeSlots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
export const limits = { tokens: 512, sequences: 64 };

/** Entries for each slot, with the options of the one that is measured. */
export async function policiesWith(key: keyof ServeSlots, id: string, given: Given = {}): Promise<Policies> {
  const names = { ...usual, [key]: id };
  // Where the cache is what is measured, the batch must not be what limits.
  const others: Partial<Record<keyof ServeSlots, Given>> = key === "kvCache" ? { batching: { batchMax: 64 } } : {};
  const options = (slot: keyof ServeSlots): Given => (slot === key ? given : (others[slot] ?? {}));
  const [batching, kvCache, speculation] = await Promise.all([
    batchings.create(names.batching, options("batching")),
    kvCaches.create(names.kvCache, options("kvCache")),
    speculations.create(names.speculation, options("speculation")),
  ]);
  return { names, batching, kvCache, speculation };
}

/** Priced in seconds, or counted in passes of the real engine. */
export async function measurePolicies(policies: Policies, where: Claim["where"], on: string): Promise<Metrics> {
  const load = workload(on);
  if (where === "machine") {
    const { log, header } = await runOnMachine(policies, limits, load);
    return countedMetrics(log, header.blockSize);
  }
  const setup = { ...policies, cost: gemmaOnTwoCores, limits, blocks: load.blocks, swapBlocks: 0 };
  return serveMetrics(simulate(setup, load), blockSize);
}

function serving(slot: Slot<unknown>, key: keyof ServeSlots, on: string): Rig {
  return {
    slot,
    workload: on,
    measure: async (id, where, other = on, given = {}) =>
      measurePolicies(await policiesWith(key, id, given), where, other),
  };
}

export const servingRigs: readonly Rig[] = [
  serving(batchings, "batching", "varied"),
  serving(kvCaches, "kvCache", "memory-bound"),
  serving(speculations, "speculation", "guessable"),
];
