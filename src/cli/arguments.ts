/** Values on the command line, checked where they are read, and the options that several commands share. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { fusions } from "../compile/fusion.ts";
import { launches } from "../compile/launch.ts";
import { type CacheType, cacheTypes } from "../compile/lower/cache-store.ts";
import { optionalPasses } from "../compile/pass.ts";
import { UserError } from "../core/errors.ts";
import type { Level } from "../device/device.ts";
import { levels } from "../device/open.ts";
import { programCache } from "../device/program-cache.ts";
import type { LoadOptions } from "../model/load.ts";
import { type Numerics, numericModes } from "../model/pack.ts";
import { programsFolder } from "./cache.ts";
import { recordedSchedules } from "./tuning.ts";

export const wholeFrom =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const bound = max === Number.MAX_SAFE_INTEGER ? "on" : `to ${max}`;
    throw new InvalidArgumentError(`It must be a whole number from ${min} ${bound}.`);
  };

export const numberFrom =
  (min: number, max = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number from ${min}${max === Infinity ? " on" : ` to ${max}`}.`);
  };

export interface RunnerArguments {
  readonly threads?: number;
  readonly exact?: boolean;
  readonly numerics?: Numerics;
  readonly kvType?: CacheType;
  readonly level?: Level;
  readonly pass?: string;
  readonly fusion?: string;
  readonly launch?: string;
  readonly context?: number;
  readonly blocks?: number;
}

/** How a model is run: the options of every command that runs one. */
export function addRunnerOptions(command: Command): void {
  command.option("--threads <n>", "threads that compute (default: 2)", wholeFrom(1));
  command.addOption(
    new Option("--numerics <mode>", "default (as the weights are kept), bf16, or exact (32-bit floats)").choices([
      ...numericModes,
    ]),
  );
  command.option("--exact", "short for --numerics exact");
  command.addOption(
    new Option("--kv-type <type>", "what keys and values are kept as (default: f16; f32 where exact)").choices([
      ...cacheTypes,
    ]),
  );
  command.addOption(new Option("--level <level>", "instruction set to use (default: the best)").choices([...levels]));
  for (const [flags, what, ids] of [
    ["--pass <id>", "what rewrites the graph first (default: none)", optionalPasses.ids()],
    ["--fusion <policy>", "which operations become one kernel (default: astitch)", fusions.ids()],
    ["--launch <policy>", "how calls are put on threads (default: nimble)", launches.ids()],
  ] as const) {
    command.addOption(new Option(flags, what).choices(ids));
  }
}

export function loadOptions({
  threads,
  exact,
  numerics,
  kvType,
  level,
  pass,
  fusion,
  launch,
  context,
  blocks,
}: RunnerArguments): LoadOptions {
  return {
    programs: programCache(programsFolder()),
    schedules: recordedSchedules,
    ...(threads !== undefined && { threads }),
    ...(exact !== undefined && { exact }),
    ...(numerics !== undefined && { numerics }),
    ...(kvType !== undefined && { cacheType: kvType }),
    ...(level !== undefined && { level }),
    ...(pass !== undefined && { pass }),
    ...(fusion !== undefined && { fusion }),
    ...(launch !== undefined && { launch }),
    ...(context !== undefined && { context }),
    ...(blocks !== undefined && { blocks }),
    // Generated code is checked where it is first used: slow, and meant for finding mistakes.
    ...(process.env.HEDDLE_DEBUG === "1" && { verify: true }),
  };
}

/** Collects `--option pagedattention.watermark=0.01`. */
export function collectOption(text: string, given: readonly string[] = []): readonly string[] {
  if (/^[\w-]+(\/[\w-]+)*\.\w+=.+$/.test(text)) return [...given, text];
  throw new InvalidArgumentError('It is written slot.name=value, for example "batching.tokensMax=256".');
}

export type SlotOptions = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** `batching.tokensMax=256` as `{ batching: { tokensMax: 256 } }`, for the slots named. */
export function slotOptions(given: readonly string[], slots: readonly string[]): SlotOptions {
  const options: Record<string, Record<string, number>> = {};
  for (const text of given) {
    const equals = text.indexOf("=");
    const dot = text.lastIndexOf(".", equals);
    const [slot, name, value] = [text.slice(0, dot), text.slice(dot + 1, equals), Number(text.slice(equals + 1))];
    if (!slots.includes(slot)) {
      throw new UserError(`--option ${text}: there is no slot "${slot}".`, `Its slot is one of: ${slots.join(", ")}.`);
    }
    if (Number.isNaN(value)) throw new UserError(`--option ${text}: the value must be a number.`);
    (options[slot] ??= {})[name] = value;
  }
  return options;
}
