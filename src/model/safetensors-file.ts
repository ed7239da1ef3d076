/**
 * Reads the safetensors container: an 8-byte length, that many bytes of JSON, then the data.
 *
 * As with GGUF nothing is believed: the length, every type, shape and range is checked against the file first.
 */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { WeightType } from "./checkpoint.ts";
import type { MappedFile } from "./mapped-file.ts";
import { weightBytes } from "./weight-type.ts";

export interface SafetensorsTensor {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly file: MappedFile;
  /** From the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** The limit of the reference implementation. */
const headerBytesMax = 100_000_000;
const types: Readonly<Record<string, WeightType>> = { F32: "F32", F16: "F16", BF16: "BF16" };
const again = "The file is damaged or incomplete: download it again.";

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

const metadataSchema = z.record(z.string(), z.string());

/** The tensors of `file` by name. Throws a `UserError` for a header that cannot be true. */
export function readSafetensors(file: MappedFile): SafetensorsTensor[] {
  const header = readHeader(file);
  const fail = (name: string, problem: string, hint = again): never => {
    throw new UserError(`Reading tensor ${JSON.stringify(name.slice(0, 80))} of ${file.path}: ${problem}.`, hint);
  };
  const tensors: SafetensorsTensor[] = [];
  for (const [name, value] of Object.entries(header.tensors)) {
    if (name === "__metadata__") continue;
    const entry = entrySchema.safeParse(value).data;
    if (entry === undefined) return fail(name, "its description is not a dtype, a shape and data_offsets");
    const type = Object.hasOwn(types, entry.dtype) ? types[entry.dtype] : undefined;
    if (type === undefined) {
      return fail(
        name,
        `its type is ${entry.dtype}`,
        "Heddle reads F32, F16 and BF16: take the model in one of these.",
      );
    }
    const byteLength = weightBytes(
      type,
      entry.shape.reduce((n, d) => n * d, 1),
    );
    const [from, to] = entry.data_offsets;
    if (to - from !== byteLength)
      fail(name, `[${entry.shape}] ${type} takes ${byteLength} bytes, and it has ${to - from}`);
    const offset = header.dataStart + from;
    if (header.dataStart + to > file.size) {
      fail(name, `its data ends at byte ${header.dataStart + to}, but the file has ${file.size} bytes`);
    }
    tensors.push({ name, type, shape: entry.shape, file, offset, byteLength });
  }
  return tensors;
}

/** What a writer says of the file beside its tensors, `__metadata__`: empty where there is none. */
export function safetensorsMetadata(file: MappedFile): ReadonlyMap<string, string> {
  const { tensors } = readHeader(file);
  const found = metadataSchema.safeParse("__metadata__" in tensors ? tensors.__metadata__ : {}).data;
  return new Map(Object.entries(found ?? {}));
}

function readHeader(file: MappedFile): { tensors: object; dataStart: number } {
  const fail = (problem: string): never => {
    throw new UserError(`Reading the header of ${file.path}: ${problem}.`, again);
  };
  if (file.size < 8) fail(`the file has ${file.size} bytes, and 8 give the header's length`);
  const head = file.bytes(0, 8);
  const length = Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
  if (length > headerBytesMax) fail(`its length is ${length}, and ${headerBytesMax} is the most`);
  if (8 + length > file.size) fail(`its ${length} bytes end after the file's ${file.size}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.bytes(8, length)));
  } catch (error) {
    return fail(`it is not JSON (${(error as Error).message})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return fail("it is not a JSON object");
  return { tensors: parsed, dataStart: 8 + length };
}
