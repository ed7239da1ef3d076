/** The serving engine as commands start it: a model, three slots filled, the options of each. */
import { type Command, InvalidArgumentError } from "commander";
import { UserError } from "../core/errors.ts";
import type { Adapter } from "../model/adapter.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { batchings } from "../serve/batching.ts";
import type { Service } from "../serve/generation.ts";
import { kvCaches } from "../serve/kv-cache.ts";
import { openService } from "../serve/service.ts";
import { speculations } from "../serve/speculation.ts";
import {
  addRunnerOptions,
  collectOption,
  loadOptions,
  type RunnerArguments,
  slotOptions,
  wholeFrom,
} from "./arguments.ts";
import { findModel } from "./cache.ts";
import { say } from "./terminal.ts";

export interface ServiceArguments extends RunnerArguments {
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
  readonly adapter?: readonly NamedFile[];
  readonly draft?: string;
  readonly option?: readonly string[];
  readonly queue?: number;
  readonly record?: string;
}

const slotNames = ["batching", "kv-cache", "speculation"] as const;

/** What fills the slots, and how; of `serve` and `replay`. */
export function addSlotOptions(command: Command): void {
  command
    .option("--batching <id>", `how requests share passes: ${batchings.ids().join(", ")}`, "chunked-prefill")
    .option("--kv-cache <id>", `how the cache is divided: ${kvCaches.ids().join(", ")}`, "pagedattention")
    .option("--speculation <id>", `how tokens are guessed ahead: ${speculations.ids().join(", ")}`, "none")
    .option("--option <slot.name=value>", "an option of what fills a slot; repeatable", collectOption);
}

export function addServiceOptions(command: Command): void {
  addSlotOptions(command);
  command
    .option("--adapter <name=file>", "a LoRA adapter, asked for by its name as a model; repeatable", collectAdapter)
    .option("--draft <model>", "a smaller model of the same vocabulary that guesses ahead")
    .option("--context <n>", "most tokens of one sequence (default: the model's)", wholeFrom(1))
    .option("--blocks <n>", "blocks of the cache, 16 tokens each (default: what fits 1 GiB)", wholeFrom(1));
  addRunnerOptions(command);
}

export const givenOptions = (option: readonly string[] | undefined) => slotOptions(option ?? [], slotNames);

export interface Running {
  readonly service: Service;
  readonly checkpoint: Checkpoint;
  readonly device: Loaded["device"];
  close(): Promise<void>;
}

interface NamedFile {
  readonly name: string;
  readonly path: string;
}

/** Collects `--adapter support=support.safetensors`. */
function collectAdapter(text: string, given: readonly NamedFile[] = []): readonly NamedFile[] {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) {
    throw new InvalidArgumentError('It is written name=file, for example "support=adapters/support.safetensors".');
  }
  if (given.some((other) => other.name === name)) throw new InvalidArgumentError(`Two adapters are called "${name}".`);
  return [...given, { name, path }];
}

async function adapted(base: Checkpoint, files: readonly NamedFile[]): Promise<Checkpoint> {
  if (files.length === 0) return base;
  // Most services have none, and begin sooner without.
  const { openAdapter, withAdapters } = await import("../model/adapter.ts");
  const adapters = new Map<string, Adapter>();
  for (const { name, path } of files) {
    if (name === base.name) throw new UserError(`--adapter ${name}=${path}: the model itself has this name.`);
    adapters.set(name, await openAdapter(path, base));
  }
  return withAdapters(base, adapters);
}

/**
 * Opens and loads everything, or nothing: what was opened before a failure is closed again. `meanwhile` is called while other
 * threads pack weights.
 */
export async function startService(
  path: string,
  given: ServiceArguments,
  meanwhile: () => unknown = () => {},
): Promise<Running> {
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  const load = async (from: string, files: readonly NamedFile[] = []) => {
    const base = await openCheckpoint(from);
    closers.push(() => base.close());
    const checkpoint = await adapted(base, files);
    const runner = await loadRunner(checkpoint, { ...loadOptions(given), meanwhile });
    closers.push(() => runner.close());
    return { checkpoint, runner };
  };
  try {
    const { checkpoint, runner } = await load(path, given.adapter);
    if (loadOptions(given).verify) say("HEDDLE_DEBUG=1: generated code is checked where it is first used");
    if (runner.device.note !== undefined) say(runner.device.note);
    const draft = given.draft === undefined ? undefined : (await load(findModel(given.draft))).runner;
    if (draft !== undefined && draft.vocabulary !== runner.vocabulary) {
      throw new UserError(
        `--draft ${given.draft} has ${draft.vocabulary} tokens, ${checkpoint.name} has ${runner.vocabulary}.`,
        "A draft must share the model's vocabulary.",
      );
    }
    const { batching, kvCache, speculation, queue, record } = given;
    const service = await openService({
      checkpoint,
      runner,
      batching,
      kvCache,
      speculation,
      options: givenOptions(given.option),
      ...(draft !== undefined && { draft }),
      ...(queue !== undefined && { queueMax: queue }),
      ...(record !== undefined && { record }),
    });
    closers.push(() => service.close());
    return { service, checkpoint, device: runner.device, close };
  } catch (error) {
    await close();
    throw error;
  }
}
