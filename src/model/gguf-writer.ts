/**
 * Writes the GGUF container, version 3: header → metadata → tensor table → each tensor's bytes at a multiple of the alignment.
 *
 * A file comes as parts, so that no copy of the whole is ever in memory. Source: the GGUF specification (ggml/docs/gguf.md).
 */
import { assert } from "../core/errors.ts";
import type { WeightType } from "./checkpoint.ts";
import { ggmlTypes } from "./gguf/type.ts";
import { defaultAlignment, ggufMagic } from "./gguf.ts";
import { weightBytes } from "./weight-type.ts";

/** A value of metadata with the type that it is stored as: readers of GGUF refuse a right number of a wrong type. */
export type GgufValue =
  | { readonly u32: number }
  | { readonly i32: number }
  | { readonly f32: number }
  | { readonly bool: boolean }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly i32s: readonly number[] }
  | { readonly f32s: readonly number[] };

export interface GgufTensorData {
  readonly name: string;
  readonly type: WeightType;
  /** Row-major, as everywhere in Heddle; GGUF's own order is the reverse. */
  readonly shape: readonly number[];
  /** In `type`'s own layout. */
  readonly bytes: Uint8Array;
}

/** The file's bytes in order. `metadata` keeps its order; `general.architecture` must be in it. */
export function* ggufParts(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensorData[],
): Generator<Uint8Array> {
  assert("general.architecture" in metadata, () => "a GGUF file names its architecture");
  const header = new Writer();
  header.u32(ggufMagic);
  header.u32(3);
  header.u64(tensors.length);
  header.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) writeValue(header, key, value);
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    const elements = shape.reduce((n, d) => n * d, 1);
    assert(
      bytes.length === weightBytes(type, elements),
      () => `${name} ${type} [${shape}] is given ${bytes.length} bytes`,
    );
    header.string(name);
    header.u32(shape.length);
    for (const extent of shape.toReversed()) header.u64(extent);
    header.u32(typeNumber(type));
    header.u64(offset);
    offset += aligned(bytes.length);
  }
  const head = header.bytes();
  yield head;
  yield padding(head.length);
  for (const { bytes } of tensors) {
    yield bytes;
    yield padding(bytes.length);
  }
}

const aligned = (length: number): number => Math.ceil(length / defaultAlignment) * defaultAlignment;
const padding = (length: number): Uint8Array => new Uint8Array(aligned(length) - length);

function typeNumber(type: WeightType): number {
  const found = Object.entries(ggmlTypes).find(([, name]) => name === type);
  assert(found !== undefined, () => `GGML has no number for ${type}`);
  return Number(found[0]);
}

const arrayType = 9;
const stringType = 8;

function writeValue(out: Writer, key: string, value: GgufValue): void {
  out.string(key);
  if ("u32" in value) out.typed(4, () => out.u32(value.u32));
  else if ("i32" in value) out.typed(5, () => out.i32(value.i32));
  else if ("f32" in value) out.typed(6, () => out.f32(value.f32));
  else if ("bool" in value) out.typed(7, () => out.u8(value.bool ? 1 : 0));
  else if ("string" in value) out.typed(stringType, () => out.string(value.string));
  else if ("strings" in value) out.array(stringType, value.strings, (text) => out.string(text));
  else if ("i32s" in value) out.array(5, value.i32s, (n) => out.i32(n));
  else out.array(6, value.f32s, (n) => out.f32(n));
}

/** Little-endian values after one another, in memory that grows. */
class Writer {
  #buffer = Buffer.alloc(1 << 16);
  #at = 0;

  #take(length: number): number {
    const end = this.#at + length;
    if (end > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#at);
      this.#buffer = larger;
    }
    return (this.#at = end) - length;
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#buffer.writeUInt8(value, at);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  i32(value: number): void {
    const at = this.#take(4);
    this.#buffer.writeInt32LE(value, at);
  }

  f32(value: number): void {
    const at = this.#take(4);
    this.#buffer.writeFloatLE(value, at);
  }

  u64(value: number): void {
    const at = this.#take(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
  }

  string(text: string): void {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    const at = this.#take(bytes.length);
    bytes.copy(this.#buffer, at);
  }

  typed(type: number, write: () => void): void {
    this.u32(type);
    write();
  }

  array<T>(type: number, values: readonly T[], write: (value: T) => void): void {
    this.u32(arrayType);
    this.u32(type);
    this.u64(values.length);
    for (const value of values) write(value);
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }
}
