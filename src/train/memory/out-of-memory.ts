/** A step that does not fit, and what was in its way. */
import { UserError } from "../../core/errors.ts";
import type { Arena } from "./arena.ts";

export interface Live {
  readonly name: string;
  readonly bytes: number;
  /** Which unit made it; `undefined` for what was there before the step. */
  readonly madeBy: string | undefined;
  /** Which unit reads it next; `undefined` for an output of the step. */
  readonly neededBy: string | undefined;
}

export interface Shortage {
  /** What was to be placed, and for which unit. */
  readonly name: string;
  readonly bytes: number;
  readonly unit: string;
  /** The largest first. */
  readonly live: readonly Live[];
}

const shown = 12;

export class OutOfMemory extends UserError {
  readonly shortage: Shortage;

  constructor(shortage: Shortage, { capacity, usedBytes, largestGapBytes }: Arena) {
    const { name, bytes, unit, live } = shortage;
    const lines = live.slice(0, shown).map((t) => {
      const from = t.madeBy === undefined ? "there before the step" : `made by ${t.madeBy}`;
      return `    ${t.bytes} bytes: ${t.name}, ${from}, needed by ${t.neededBy ?? "the caller"}`;
    });
    if (live.length > shown) lines.push(`    and ${live.length - shown} smaller ones`);
    super(
      `Out of memory: ${name} of ${bytes} bytes does not fit for ${unit}: of ${capacity} bytes ${usedBytes} are in use, and the largest gap has ${largestGapBytes}.\n${lines.join("\n")}`,
      "Give the arena more memory, take a smaller batch, or choose policies for remat and offload.",
    );
    this.shortage = shortage;
  }
}

/** Makes what is thrown; what was live is asked for only if it is to be told. */
export type Fail = (shortage: () => Shortage, arena: Arena) => Error;

export const outOfMemory: Fail = (shortage, arena) => new OutOfMemory(shortage(), arena);
