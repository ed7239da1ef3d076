/** What a thread of a loader is asked to do, what it answers, and the doing. */
import { assert } from "../core/errors.ts";
import { applyMaps, collate, type Fields, type RecordContext, type RecordMap } from "./fields.ts";

export interface WorkerSetup {
  /** URL of a `RecordModule`, and what its functions are made from. */
  readonly module: string;
  readonly configuration: unknown;
}

export interface RecordTask {
  /** Names of functions. */
  readonly maps: readonly string[];
  readonly records: readonly RecordContext[];
  /** What was made of each record before, where something was. */
  readonly inputs: readonly Fields[] | undefined;
  /** Whether the records become one batch. */
  readonly collate: boolean;
}

export interface WorkerTask extends RecordTask {
  readonly id: number;
}

export type WorkerAnswer =
  | { readonly id: number; readonly fields: Fields; readonly seconds: number }
  | { readonly id: number; readonly error: unknown };

export function runTask(all: Readonly<Record<string, RecordMap>>, task: RecordTask): Fields {
  const maps = task.maps.map((name) => {
    const map = all[name];
    assert(map !== undefined, () => `the module has no function ${name}`);
    return map;
  });
  const made = task.records.map((context, i) => applyMaps(maps, task.inputs?.[i] ?? {}, context));
  return task.collate ? collate(made) : made[0]!;
}
