/** A device as what tensors need of it: memory, and graphs compiled and run. */

import { UserError } from "../core/errors.ts";
import type { Level } from "../device/device.ts";
import type { Machine } from "./runtime.ts";

export function openMachine(level: Level | undefined, threads: number): Machine {
  throw new UserError(
    `Tensors on ${level ?? "the best"} level, ${threads} threads, were asked for; graphs of arrays are not compiled yet.`,
  );
}
