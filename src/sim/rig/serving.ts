/** Rigs of serving: one slot varies, the others hold what is usual; prices on a virtual clock, or counts on the machine. */
import type { Claim } from "../../core/entry.ts";
import type { Slot } from "../../core/slot.ts";
import { type Batching, batchings } from "../../serve/batching.ts";
import { type KvCache, kvCaches } from "../../serve/kv-cache.ts";
import { type Speculation, speculations } from "../../serve/speculation.ts";
import { runOnMachine } from "../machine.ts";
import { gemmaOnTwoCores } from "../pass-cost.ts";
import type { Given, Rig } from "../rig.ts";
import { type Metrics, serveMetrics } from "../serve-metrics.ts";
import { simulate } from "../simulate.ts";
import { workload } from "../workload.ts";

export interface ServeSlots {
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
}

const usual: ServeSlots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
const limits = { tokens: 512, sequences: 64 };

/** Entries for each slot, with the options of the one that is measured. */
async function measureServing(
  key: keyof ServeSlots,
  id: string,
  where: Claim["where"],
  on: string,
  given: Given,
): Promise<Metrics> {
  const ids = { ...usual, [key]: id };
  // Where the cache is what is measured, the batch must not be what limits.
  const others: Partial<Record<keyof ServeSlots, Given>> = key === "kvCache" ? { batching: { batchMax: 64 } } : {};
  const options = (slot: keyof ServeSlots): Given => (slot === key ? given : (others[slot] ?? {}));
  const [batching, kvCache, speculation] = await Promise.all([
    batchings.create(ids.batching, options("batching")) as Promise<Batching>,
    kvCaches.create(ids.kvCache, options("kvCache")) as Promise<KvCache>,
    speculations.create(ids.speculation, options("speculation")) as Promise<Speculation>,
  ]);
  const load = workload(on);
  if (where === "machine") return serveMetrics(await runOnMachine(ids, { [key]: given }, load));
  const parts = { batching, kvCache, speculation, names: ids, cost: gemmaOnTwoCores, limits };
  return serveMetrics(simulate({ ...parts, blocks: load.blocks, swapBlocks: 0 }, load));
}

function serving(slot: Slot<unknown>, key: keyof ServeSlots, on: string): Rig {
  return {
    slot,
    workload: on,
    measure: (id, where, other = on, given = {}) => measureServing(key, id, where, other, given),
  };
}

export const servingRigs: readonly Rig[] = [
  serving(batchings, "batching", "varied"),
  serving(kvCaches, "kvCache", "memory-bound"),
  serving(speculations, "speculation", "guessable"),
];
