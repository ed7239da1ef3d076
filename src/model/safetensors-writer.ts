/** Writes the safetensors container: the header's length, the header as JSON padded to 8 bytes, then the data, in parts. */
import { assert } from "../core/errors.ts";

/** Types of the format that Heddle writes, and their bytes an element. */
export const safetensorsBytes = { F32: 4, F16: 2, BF16: 2, I32: 4, U8: 1 } as const;
export type SafetensorsType = keyof typeof safetensorsBytes;

export interface SafetensorsData {
  readonly name: string;
  readonly type: SafetensorsType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The file's bytes in order; `metadata` is what the format calls `__metadata__`. */
export function* safetensorsParts(
  tensors: readonly SafetensorsData[],
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    const length = shape.reduce((n, d) => n * d, safetensorsBytes[type]);
    assert(bytes.length === length, () => `${name} ${type} [${shape}] is given ${bytes.length} bytes`);
    assert(!(name in header), () => `there are two tensors ${name}`);
    header[name] = { dtype: type, shape, data_offsets: [offset, (offset += length)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  head.writeBigUInt64LE(BigInt(head.length - 8), 0);
  json.copy(head, 8);
  yield head;
  for (const { bytes } of tensors) yield bytes;
}
