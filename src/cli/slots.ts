/** Every slot of techniques that the command line knows, and how an entry of theirs is named: `orca` or `serve/batching/orca`. */
import { readFileSync } from "node:fs";
import { placements } from "../cluster/placement.ts";
import { scalings } from "../cluster/scaling.ts";
import { schedulings } from "../cluster/scheduling.ts";
import { sharings } from "../cluster/sharing.ts";
import { fusions } from "../compile/fusion.ts";
import { launches } from "../compile/launch.ts";
import { optionalPasses } from "../compile/pass.ts";
import { primitiveSets } from "../compile/primitive.ts";
import { tuners } from "../compile/tuner.ts";
import type { Entry } from "../core/entry.ts";
import { nearest, UserError } from "../core/errors.ts";
import type { Slot } from "../core/slot.ts";
import { loaders } from "../data/loader.ts";
import { batchings } from "../serve/batching.ts";
import { kvCaches } from "../serve/kv-cache.ts";
import { speculations } from "../serve/speculation.ts";
import { loadCombination } from "../system/combination.ts";
import { captures } from "../tensor/capture.ts";
import { offloads } from "../train/offload.ts";
import { remats } from "../train/remat.ts";

export const slots: readonly Slot<unknown>[] = [
  fusions,
  launches,
  optionalPasses,
  primitiveSets,
  tuners,
  loaders,
  batchings,
  kvCaches,
  speculations,
  captures,
  offloads,
  remats,
  schedulings,
  scalings,
  sharings,
  placements,
];

export interface Found {
  readonly id: string;
  readonly slot: Slot<unknown>;
  readonly entry: Entry<unknown>;
}

export async function allEntries(): Promise<Found[]> {
  const found = slots.map((slot) =>
    Promise.all(slot.ids().map(async (id) => ({ id, slot, entry: await slot.load(id) }))),
  );
  return (await Promise.all(found)).flat();
}

interface PublishedSystem {
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly venue: string;
}

const publishedSystems = (): readonly PublishedSystem[] =>
  JSON.parse(readFileSync(new URL("../../fixtures/systems.json", import.meta.url), "utf8"));

/** Entries by id, `slot/id`, row or title, or those of a system. Throws a `UserError` where there is none. */
export async function findEntries(name: string): Promise<Found[]> {
  const entries = await allEntries();
  const asked = name.toLowerCase();
  const system = await loadCombination(asked);
  if (system !== undefined) return entries.filter(({ id, slot }) => system.slots[slot.path] === id);
  const found = entries.filter(({ id, slot, entry }) =>
    [id, `${slot.path}/${id}`, entry.title.toLowerCase(), ...entry.rows].includes(asked),
  );
  if (found.length > 0) return found;
  const row = publishedSystems().find((system) => [system.id, system.name.toLowerCase()].includes(asked));
  if (row !== undefined) {
    throw new UserError(
      `${row.name} (${row.venue}, "${row.title}") is not in Heddle yet.`,
      "`heddle list` shows what is; CONTRIBUTING.md shows how a technique is added.",
    );
  }
  const names = entries.flatMap(({ id, entry }) => [id, ...entry.rows]);
  const guess = nearest(asked, names);
  throw new UserError(
    `There is no technique "${name}".`,
    guess !== undefined ? `Did you mean "${guess}"?` : "`heddle list` shows what there is.",
  );
}
