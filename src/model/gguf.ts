/**
 * Reads the GGUF container, versions 2 and 3: header → metadata → tensor table → where each tensor's bytes lie.
 *
 * Nothing in the file is believed: counts, lengths, types, offsets and sizes are checked against the file's size before
 * memory is taken for them, so a truncated or hostile header costs an error message and nothing else. Source: the GGUF
 * specification (ggml/docs/gguf.md). What a key or a tensor means is not decided here: see `gguf-checkpoint.ts`.
 */
import type { WeightType } from "./checkpoint.ts";
import { Cursor, damaged } from "./gguf/cursor.ts";
import { ggmlNames, ggmlTypes } from "./gguf/type.ts";
import { readValue } from "./gguf/value.ts";
import type { MappedFile } from "./mapped-file.ts";
import { weightBytes, weightFormats } from "./weight-type.ts";

export interface GgufTensor {
  readonly name: string;
  readonly type: WeightType;
  /** Row-major: GGUF's own order reversed. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface Gguf {
  readonly version: number;
  /** Arrays of numbers are typed arrays (of booleans and 64-bit integers: plain); of strings: a `StringList`. */
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** "GGUF" read as a little-endian number. */
export const ggufMagic = 0x46554747;
export const defaultAlignment = 32;

const nameBytesMax = 65535;
const dimensionsMax = 4;
/** Fewest bytes that a key-value pair and a tensor's description can take. */
const pairBytesMin = 13;
const tensorBytesMin = 24;

/** Throws a `UserError` that says what was read, at which byte, what is wrong with it and what to do. */
export function readGguf(file: MappedFile): Gguf {
  const cursor = new Cursor(file);
  const magic = cursor.u32("the magic number");
  cursor.at = 0;
  if (magic !== ggufMagic) cursor.fail("the magic number", "it is not GGUF's", "Give a GGUF file.");
  cursor.at = 4;
  const version = readVersion(cursor);
  const tensorCount = cursor.u64("the number of tensors");
  const pairCount = cursor.u64("the number of metadata pairs");
  checkCount(cursor, "metadata pairs", pairCount, pairBytesMin);
  checkCount(cursor, "tensors", tensorCount, tensorBytesMin);
  const metadata = readMetadata(cursor, pairCount);
  const alignment = readAlignment(cursor, metadata);
  const table: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) table.push(readTensor(cursor, i, alignment));
  const start = Math.ceil(cursor.at / alignment) * alignment;
  return { version, metadata, tensors: place(cursor, table, start, file.size) };
}

function readVersion(cursor: Cursor): number {
  const version = cursor.u32("the version");
  if (version === 2 || version === 3) return version;
  const hint = "Heddle reads versions 2 and 3: convert the file again with a newer llama.cpp.";
  const swapped = version !== 0 && (version & 0xffff) === 0;
  return cursor.fail("the version", swapped ? "the file is big-endian" : `it is ${version}`, hint);
}

function checkCount(cursor: Cursor, what: string, count: number, least: number): void {
  if (count * least > cursor.remaining) {
    cursor.fail(`the number of ${what}`, `${count} do not fit in the ${cursor.remaining} bytes that are left`);
  }
}

function readMetadata(cursor: Cursor, count: number): Map<string, unknown> {
  const metadata = new Map<string, unknown>();
  for (let i = 0; i < count; i++) {
    const key = cursor.string(`the key of metadata pair ${i}`, nameBytesMax);
    const reading = `metadata ${quote(key)}`;
    if (metadata.has(key)) cursor.fail(reading, "it appears twice");
    metadata.set(key, readValue(cursor, cursor.u32(reading), reading));
  }
  return metadata;
}

function readAlignment(cursor: Cursor, metadata: ReadonlyMap<string, unknown>): number {
  const alignment = metadata.get("general.alignment") ?? defaultAlignment;
  const possible = typeof alignment === "number" && alignment >= 8 && alignment <= 2 ** 20;
  if (possible && Number.isInteger(Math.log2(alignment))) return alignment;
  return cursor.fail("metadata general.alignment", `${alignment} is not a power of two between 8 and 1048576`);
}

/** One line of the tensor table; its offset is still relative to the data. */
function readTensor(cursor: Cursor, index: number, alignment: number): GgufTensor {
  const name = cursor.string(`the name of tensor ${index}`, nameBytesMax);
  const reading = `tensor ${quote(name)}`;
  const dimensions = cursor.u32(reading);
  if (dimensions < 1 || dimensions > dimensionsMax) {
    cursor.fail(reading, `it has ${dimensions} dimensions, and 1 to ${dimensionsMax} are possible`);
  }
  const shape = Array.from({ length: dimensions }, () => cursor.u64(reading)).reverse();
  const elements = shape.reduce((n, d) => n * d, 1);
  if (!(elements > 0 && Number.isSafeInteger(elements))) cursor.fail(reading, `its shape [${shape}] is not possible`);
  const type = readType(cursor, reading);
  const { block } = weightFormats[type];
  if (shape.at(-1)! % block !== 0) cursor.fail(reading, `a row of ${shape.at(-1)} is not whole blocks of ${block}`);
  const offset = cursor.u64(reading);
  if (offset % alignment !== 0) cursor.fail(reading, `its offset ${offset} is not a multiple of ${alignment}`);
  return { name, type, shape, offset, byteLength: weightBytes(type, elements) };
}

function readType(cursor: Cursor, reading: string): WeightType {
  const id = cursor.u32(reading);
  const type = ggmlTypes[id];
  if (type !== undefined) return type;
  const known = Object.values(ggmlTypes).join(" ");
  const name = ggmlNames[id];
  if (name === undefined)
    return cursor.fail(reading, `its weight type ${id} is unknown`, `${damaged} Heddle reads ${known}.`);
  return cursor.fail(
    reading,
    `its weights are ${name}`,
    `Heddle reads ${known}: take the model in one of these types.`,
  );
}

/** Makes offsets absolute, and checks that every tensor's bytes are in the file. */
function place(cursor: Cursor, table: readonly GgufTensor[], start: number, size: number): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of table) {
    const reading = `tensor ${quote(tensor.name)}`;
    if (tensors.has(tensor.name)) cursor.fail(reading, "its name appears twice");
    const offset = start + tensor.offset;
    const end = offset + tensor.byteLength;
    if (end > size) cursor.fail(reading, `its data ends at byte ${end}, but the file has ${size} bytes`);
    tensors.set(tensor.name, { ...tensor, offset });
  }
  return tensors;
}

/** Names from a damaged file may be anything: shown short and escaped. */
const quote = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
