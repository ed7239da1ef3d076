/**
 * Rigs: a slot with everything around it fixed, so that one entry can be measured against another; and claims, which compare
 * an entry with its baseline on a rig. The rigs of an area are a file of `rig/`.
 *
 * `sim` measures price on a virtual clock; `machine` measures run for real and count.
 */
import type { Claim } from "../core/entry.ts";
import { UserError } from "../core/errors.ts";
import type { Slot } from "../core/slot.ts";
import { captureRigs } from "./rig/capture.ts";
import { clusterRigs } from "./rig/cluster.ts";
import { fusionRigs } from "./rig/fusion.ts";
import { launchRigs } from "./rig/launch.ts";
import { loaderRigs } from "./rig/loader.ts";
import { memoryRigs } from "./rig/memory.ts";
import { passRigs } from "./rig/pass.ts";
import { primitiveRigs } from "./rig/primitive.ts";
import { servingRigs } from "./rig/serving.ts";
import { tunerRigs } from "./rig/tuner.ts";
import type { Metrics } from "./serve-metrics.ts";

export type Given = Readonly<Record<string, number>>;

export interface Rig {
  readonly slot: Slot<unknown>;
  readonly workload: string;
  measure(id: string, where: Claim["where"], workload?: string, given?: Given): Promise<Metrics>;
}

export const rigs: readonly Rig[] = [
  ...captureRigs,
  ...clusterRigs,
  ...fusionRigs,
  ...launchRigs,
  ...memoryRigs,
  ...loaderRigs,
  ...passRigs,
  ...primitiveRigs,
  ...servingRigs,
  ...tunerRigs,
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
