/**
 * A policy: one entry of each of the four slots. `--policy A+B` names entries of any of them, or a published system that is a
 * combination of entries; slots that nobody names have their baseline.
 */
import { nearest, UserError } from "../core/errors.ts";
import type { Slot } from "../core/slot.ts";
import { type Placement, placements } from "./placement.ts";
import { type Scaling, scalings } from "./scaling.ts";
import { type Scheduling, schedulings } from "./scheduling.ts";
import { type Sharing, sharings } from "./sharing.ts";

export interface ClusterPolicy {
  readonly names: PolicyNames;
  readonly scheduling: Scheduling;
  readonly scaling: Scaling;
  readonly sharing: Sharing;
  readonly placement: Placement;
}

export type PolicyOptions = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Plain data: what a log's header and a worker thread are told. */
export interface PolicyNames {
  /** As it was asked for. */
  readonly name: string;
  /** By the slot's path, the entry's id. */
  readonly slots: Readonly<Record<string, string>>;
  /** By the entry's id; given as `--id.name=value`. */
  readonly options: PolicyOptions;
  /** GPU-seconds that jobs of an older trace took, for policies that learn from one. */
  readonly history?: readonly number[];
}

/** Slots of a published system by its id; `undefined` where there is none of that name. */
export type FindSystem = (id: string) => Promise<{ readonly slots: Readonly<Record<string, string>> } | undefined>;

export const clusterSlots: readonly Slot<unknown>[] = [schedulings, scalings, sharings, placements];

const baselines: Readonly<Record<string, string>> = {
  [schedulings.path]: "fifo",
  [scalings.path]: "requested",
  [sharings.path]: "exclusive",
  [placements.path]: "first-fit",
};

/**
 * Reads `A+B`. An entry takes the place of the one that a system would have there. Throws a `UserError` for a name that is
 * neither, and for two entries of one slot.
 */
export async function namePolicy(
  name: string,
  options: PolicyOptions = {},
  system: FindSystem = async () => undefined,
): Promise<PolicyNames> {
  const slots: Record<string, string> = { ...baselines };
  const chosen = new Map<string, string>();
  for (const part of name.split("+")) {
    const combined = await system(part);
    if (combined !== undefined) {
      for (const [path, id] of Object.entries(combined.slots)) if (!chosen.has(path)) slots[path] = id;
      continue;
    }
    const { path, id } = slotOf(part, name);
    const other = chosen.get(path);
    if (other !== undefined) {
      throw new UserError(`--policy ${name}: ${other} and ${id} are both ${path}.`, "Name one of them.");
    }
    chosen.set(path, id);
    slots[path] = id;
  }
  checkOptions(name, slots, options);
  return { name, slots, options };
}

export async function createPolicy(names: PolicyNames): Promise<ClusterPolicy> {
  const create = <T>(slot: Slot<T>): Promise<T> => {
    const id = names.slots[slot.path]!;
    return slot.create(id, names.options[id]);
  };
  const [scheduling, scaling, sharing, placement] = await Promise.all([
    create(schedulings),
    create(scalings),
    create(sharings),
    create(placements),
  ]);
  const { together = 1 } = scheduling;
  if (together > sharing.jobsMax) {
    throw new UserError(
      `--policy ${names.name}: its scheduling puts ${together} jobs on the same GPUs, and its sharing allows ${sharing.jobsMax}.`,
      `Name a sharing entry that allows them: --policy ${names.name}+as-decided.`,
    );
  }
  if (names.history !== undefined) scheduling.learn?.(names.history);
  return { names, scheduling, scaling, sharing, placement };
}

/** A policy by its name: `policyOf("srtf+best-fit")`. */
export const policyOf = async (name: string, options?: PolicyOptions, system?: FindSystem): Promise<ClusterPolicy> =>
  createPolicy(await namePolicy(name, options, system));

function slotOf(part: string, name: string): { readonly path: string; readonly id: string } {
  for (const { path, ids } of clusterSlots) {
    const id = part.startsWith(`${path}/`) ? part.slice(path.length + 1) : part;
    if (ids().includes(id)) return { path, id };
  }
  const ids = clusterSlots.flatMap((slot) => slot.ids());
  const guess = nearest(part, ids);
  throw new UserError(
    `--policy ${name}: there is no policy "${part}".`,
    guess ? `Did you mean "${guess}"?` : `There are: ${ids.join(", ")}.`,
  );
}

function checkOptions(name: string, slots: Readonly<Record<string, string>>, options: PolicyOptions): void {
  const ids = Object.values(slots);
  for (const id of Object.keys(options)) {
    if (!ids.includes(id)) throw new UserError(`--policy ${name} has no part "${id}" to set options of.`);
  }
}
