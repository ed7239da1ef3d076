/**
 * Published systems that are combinations: which entry fills each slot. Data only; what each entry does, and where it departs
 * from its paper, is the entry's to say.
 */
import type { Paper } from "../core/entry.ts";
import { combinationIndex } from "./combination.index.ts";

export interface Combination {
  /** The name as its authors spell it. */
  readonly title: string;
  readonly paper?: Paper;
  /** By the slot's path, the entry's id. */
  readonly slots: Readonly<Record<string, string>>;
}

/** Written by `npm run index`, as the slots' indexes are. */
export type CombinationIndex = Readonly<Record<string, () => Promise<{ readonly default: Combination }>>>;

export const combinations = (): string[] => Object.keys(combinationIndex).sort();

/** `undefined` where no system has that id. */
export async function loadCombination(id: string): Promise<Combination | undefined> {
  const load = Object.hasOwn(combinationIndex, id) ? combinationIndex[id] : undefined;
  return load === undefined ? undefined : (await load()).default;
}
