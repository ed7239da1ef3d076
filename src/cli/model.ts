/** A model that commands run: found, opened, loaded, and closed whatever happens. */
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, type LoadOptions, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { findModel } from "./cache.ts";
import { say } from "./terminal.ts";

export async function withCheckpoint<T>(given: string, use: (checkpoint: Checkpoint) => T | Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(findModel(given));
  try {
    return await use(checkpoint);
  } finally {
    checkpoint.close();
  }
}

export async function withRunner<T>(
  checkpoint: Checkpoint,
  options: LoadOptions,
  use: (runner: Loaded) => Promise<T>,
): Promise<T> {
  const runner = await loadRunner(checkpoint, options);
  try {
    if (options.verify) say("HEDDLE_DEBUG=1: generated code is checked against the reference where it is first used");
    if (runner.device.note !== undefined) say(runner.device.note);
    return await use(runner);
  } finally {
    await runner.close();
  }
}
