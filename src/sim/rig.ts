/**
 * Rigs: a slot with everything around it fixed, so that one entry can be measured against another; and claims, which compare
 * an entry with its baseline on a rig.
 *
 * `sim` measures price passes on a virtual clock; `machine` measures run the engine on compiled kernels and count.
 */
import type { Claim } from "../core/entry.ts";
import { UserError } from "../core/errors.ts";
import type { Slot } from "../core/slot.ts";
import { type Batching, batchings } from "../serve/batching.ts";
import { type KvCache, kvCaches } from "../serve/kv-cache.ts";
import { type Speculation, speculations } from "../serve/speculation.ts";
import { runOnMachine } from "./machine.ts";
import { gemmaOnTwoCores } from "./pass-cost.ts";
import { type Metrics, serveMetrics } from "./serve-metrics.ts";
import { simulate } from "./simulate.ts";
import { workload } from "./workload.ts";

export interface ServeSlots {
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
}

type Given = Readonly<Record<string, number>>;

export interface Rig {
  readonly slot: Slot<unknown>;
  readonly workload: string;
  measure(id: string, where: Claim["where"], workload?: string, given?: Given): Promise<Metrics>;
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

export const rigs: readonly Rig[] = [
  serving(batchings, "batching", "varied"),
  serving(kvCaches, "kvCache", "memory-bound"),
  serving(speculations, "speculation", "guessable"),
];

export function rigOf(path: string): Rig {
  const rig = rigs.find((r) => r.slot.path === path);
  if (rig !== undefined) return rig;
  throw new UserError(`There is no rig for ${path}.`, `There are rigs for ${rigs.map((r) => r.slot.path).join(", ")}.`);
}

export interface Checked {
  readonly slot: string;
  readonly id: string;
  readonly claim: Claim;
  /** What is claimed, in words. */
  readonly what: string;
  /** The metric of the entry, and of its baseline. */
  readonly mine: number;
  readonly baseline: number;
  /** How many times better: what `claim.factor` must be reached by. */
  readonly measured: number;
  readonly holds: boolean;
}

/** Runs an entry's claim; `undefined` for a baseline. */
export async function checkClaim(path: string, id: string): Promise<Checked | undefined> {
  const rig = rigOf(path);
  const { claim } = await rig.slot.load(id);
  if (claim === "baseline") return undefined;
  const value = async (entry: string): Promise<number> => {
    const metrics = await rig.measure(entry, claim.where, claim.on);
    const x = metrics[claim.metric];
    if (x !== undefined) return x;
    throw new UserError(`${id} claims "${claim.metric}"; the rig measures ${Object.keys(metrics).join(", ")}.`);
  };
  const [mine, baseline] = [await value(id), await value(claim.than)];
  const measured = claim.better === "higher" ? mine / baseline : baseline / mine;
  const what = `${claim.metric} at least ${claim.factor}× ${claim.better} than ${claim.than} on ${claim.on} (${claim.where})`;
  return { slot: path, id, claim, what, mine, baseline, measured, holds: measured >= claim.factor };
}
