/**
 * Checkpoints of a training: one safetensors file a checkpoint, with the state's arrays and, in its metadata, everything else.
 *
 *     state ──► check sum ──► step-N.safetensors.partial ──► sync ──► rename ──► sync folder ──► remove all but the last k
 *
 * The check sum covers description and data: a file that was cut off or has a changed bit is not taken for a checkpoint, and the
 * one before it is. Such a file is left where it is, and said.
 */
import { crc32 } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { safetensorsParts } from "../model/safetensors-writer.ts";
import { type Files, machineFiles, type OpenFile, writeWhole } from "./files.ts";
import type { StateArray } from "./step.ts";

/** How far a training is. */
export interface Progress {
  /** Optimizer steps done. */
  readonly step: number;
  /** Batches that the source has given. */
  readonly position: number;
  /** Seconds spent in training, over all its processes. */
  readonly seconds: number;
  /** What else the training goes on from, as text. */
  readonly notes: Readonly<Record<string, string>>;
}

export interface CheckpointOptions {
  /** Checkpoints that are kept; the oldest is removed once a newer is safe. */
  readonly keep: number;
  /** Identifies model, data and recipe: a checkpoint of another is refused. */
  readonly identity: string;
  /** Where a checkpoint that cannot be used is said. */
  readonly warn: (line: string) => void;
  readonly files?: Files;
}

type State = ReadonlyMap<string, StateArray>;

const format = "heddle.training.1";
const fileName = /^step-(\d{9})\.safetensors$/;

const metadataSchema = z.object({
  format: z.literal(format),
  identity: z.string(),
  progress: z.string(),
  /** Of what the header says, and of the data. */
  headCheck: z.string(),
  check: z.string(),
});
const progressSchema = z.object({
  step: z.int().nonnegative(),
  position: z.int().nonnegative(),
  seconds: z.number().nonnegative(),
  notes: z.record(z.string(), z.string()),
});
const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

export class Checkpoints {
  readonly #folder: string;
  readonly #options: CheckpointOptions;
  readonly #files: Files;

  constructor(folder: string, options: CheckpointOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#files = options.files ?? machineFiles;
  }

  /** Steps of the checkpoints that are there, whole or not, the newest first. */
  async steps(): Promise<number[]> {
    const names = await this.#files.readdir(this.#folder).catch(() => [] as string[]);
    const found = names.map((name) => fileName.exec(name)).filter((match) => match !== null);
    return found.map((match) => Number(match[1])).sort((a, b) => b - a);
  }

  /** Throws a `UserError` where a training that does not go on from them would mix with earlier ones; `what` is being done. */
  async refuseEarlier(what: string): Promise<void> {
    if ((await this.steps()).length === 0) return;
    throw new UserError(
      `${what}: it has checkpoints of an earlier run.`,
      "Go on from them with --resume, or give another folder with --out.",
    );
  }

  path(step: number): string {
    return `${this.#folder}/step-${String(step).padStart(9, "0")}.safetensors`;
  }

  /** Throws a `UserError` where it cannot be written; what was kept before is then still there. */
  async save(state: State, progress: Progress): Promise<void> {
    const { identity, keep } = this.#options;
    const described = JSON.stringify(progress);
    const tensors = [...state].map(([name, { type, shape, bytes }]) => ({ name, type, shape, bytes: bytes() }));
    const headCheck = headSum(identity, described, state);
    const check = await dataSum(state);
    const path = this.path(progress.step);
    try {
      await this.#files.mkdir(this.#folder, { recursive: true });
      const parts = safetensorsParts(tensors, { format, identity, progress: described, headCheck, check });
      await writeWhole(this.#files, path, parts);
      for (const step of (await this.steps()).slice(keep)) await this.#files.unlink(this.path(step));
    } catch (error) {
      throw notWritten(path, error);
    }
  }

  /**
   * Restores the newest checkpoint that is whole into `state`; `undefined` where the folder has none. Throws a `UserError` where
   * there are some and none can be used, or where the newest is of another training.
   */
  async restore(state: State): Promise<Progress | undefined> {
    const steps = await this.steps();
    for (const [i, step] of steps.entries()) {
      const path = this.path(step);
      try {
        return await this.#read(path, state);
      } catch (error) {
        if (!(error instanceof Damaged)) throw error;
        const next = steps[i + 1];
        const then = next === undefined ? "there is none before it" : `going on from ${this.path(next)}`;
        this.#options.warn(`${path} cannot be used (${error.message}); ${then}.`);
      }
    }
    if (steps.length === 0) return undefined;
    throw new UserError(
      `Resuming from ${this.#folder}: none of its ${steps.length} checkpoints can be used.`,
      "Remove the folder to begin anew.",
    );
  }

  async #read(path: string, state: State): Promise<Progress> {
    const file = await this.#files.open(path, "r");
    try {
      const { header, dataStart } = await readHeader(file);
      const metadata = metadataSchema.safeParse(header.__metadata__).data;
      if (metadata === undefined) throw new Damaged("its metadata are not those of a training");
      const tensors = readTensors(header);
      if (metadata.headCheck !== headSum(metadata.identity, metadata.progress, tensors))
        throw new Damaged("the check sum of its header is another");
      if (metadata.identity !== this.#options.identity)
        throw otherTraining(path, "it is of another recipe or of other data");
      await readState(path, file, tensors, dataStart, state);
      if (metadata.check !== (await dataSum(state))) throw new Damaged("the check sum of its data is another");
      return progressSchema.parse(JSON.parse(metadata.progress));
    } finally {
      await file.close();
    }
  }
}

/** A file that is no checkpoint, or no longer. */
class Damaged extends Error {}

type Header = Readonly<Record<string, unknown>>;

async function readHeader(file: OpenFile): Promise<{ readonly header: Header; readonly dataStart: number }> {
  const { size } = await file.stat();
  const length = Number((await readBytes(file, 0, Math.min(8, size))).readBigUInt64LE());
  if (8 + length > size) throw new Damaged(`its header of ${length} bytes ends after the file's ${size}`);
  try {
    const header: unknown = JSON.parse((await readBytes(file, 8, length)).toString());
    if (typeof header === "object" && header !== null) return { header: header as Header, dataStart: 8 + length };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Damaged("its header is not a JSON object");
}

interface Tensor {
  readonly type: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

function readTensors({ __metadata__, ...entries }: Header): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(entries)) {
    const tensor = tensorSchema.safeParse(value).data;
    if (tensor === undefined) throw new Damaged(`its description of ${name} is none`);
    tensors.set(name, { type: tensor.dtype, shape: tensor.shape, offset: tensor.data_offsets[0] });
  }
  return tensors;
}

async function readBytes(file: OpenFile, at: number, length: number): Promise<Buffer> {
  const into = Buffer.alloc(length);
  await readInto(file, at, into);
  if (length < 8 && at === 0) throw new Damaged(`it has ${length} bytes`);
  return into;
}

async function readInto(file: OpenFile, at: number, into: Uint8Array): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, Math.min(into.length - done, 1 << 24), at + done);
    if (bytesRead === 0) throw new Damaged(`it ends at byte ${at + done}`);
    done += bytesRead;
  }
}

async function readState(
  path: string,
  file: OpenFile,
  tensors: ReadonlyMap<string, Tensor>,
  dataStart: number,
  state: State,
): Promise<void> {
  const other = [...tensors.keys()].find((name) => !state.has(name));
  if (other !== undefined) throw otherTraining(path, `it has ${JSON.stringify(other)}, which the model has not`);
  for (const [name, { type, shape, bytes }] of state) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw otherTraining(path, `it has no ${JSON.stringify(name)}`);
    if (tensor.type !== type || `${tensor.shape}` !== `${shape}`) {
      throw otherTraining(path, `its ${name} is ${tensor.type} [${tensor.shape}], and the model's ${type} [${shape}]`);
    }
    await readInto(file, dataStart + tensor.offset, bytes());
  }
}

type Described = ReadonlyMap<string, { readonly type: string; readonly shape: readonly number[] }>;

function headSum(identity: string, progress: string, tensors: Described): string {
  const described = [...tensors].map(([name, { type, shape }]) => `${name} ${type} ${shape}`);
  return hex(crc32([identity, progress, ...described].join("\n")));
}

/** Of all data in order; a part at a time, so that the event loop turns between. */
async function dataSum(state: State): Promise<string> {
  let sum = 0;
  for (const { bytes } of state.values()) {
    const all = bytes();
    for (let at = 0; at < all.length; at += sumBytes) {
      sum = crc32(all.subarray(at, at + sumBytes), sum);
      if (all.length > sumBytes) await new Promise((next) => setImmediate(next));
    }
  }
  return hex(sum);
}

const sumBytes = 1 << 24;
const hex = (sum: number): string => sum.toString(16).padStart(8, "0");

const otherTraining = (path: string, why: string): UserError =>
  new UserError(
    `Resuming from ${path}: ${why}.`,
    "Give the recipe and the data that it was begun with, or begin anew in another folder.",
  );

function notWritten(path: string, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === "ENOSPC" ? "the disk is full" : error instanceof Error ? error.message : String(error);
  return new UserError(
    `Writing the checkpoint ${path}: ${why}.`,
    "The checkpoints before it are as they were. Make room, then go on with --resume.",
  );
}
