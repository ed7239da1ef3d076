/** The values of GGUF metadata: thirteen types, arrays of them, and strings by the hundred thousand. */
import type { Cursor } from "./cursor.ts";

/** A value that is decoded when it is first asked for: most of a header is vocabulary, which loading weights never reads. */
export class Deferred {
  readonly decode: () => unknown;
  constructor(decode: () => unknown) {
    this.decode = decode;
  }
}

const bytesOf = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8] as const;
const stringType = 8;
const arrayType = 9;
/** Nothing published nests arrays at all; a limit keeps a damaged header from recursing. */
const depthMax = 4;

/** Reads one value of type `type`. Throws a `UserError` for an unknown type or a length beyond the file. */
export function readValue(cursor: Cursor, type: number, reading: string, depth = 0): unknown {
  if (type === stringType) return cursor.string(reading);
  if (type === arrayType) return readArray(cursor, reading, depth);
  const size = bytesOf[type];
  if (size === undefined) return cursor.fail(reading, `type ${type} is not one of GGUF's 13`);
  cursor.need(size, reading);
  const [value] = numbers(cursor.copy(cursor.at, size), type);
  cursor.at += size;
  return value;
}

function readArray(cursor: Cursor, reading: string, depth: number): unknown {
  if (depth >= depthMax) return cursor.fail(reading, `its arrays are nested more than ${depthMax} deep`);
  const type = cursor.u32(reading);
  const count = cursor.u64(reading);
  const least = type === stringType ? 8 : type === arrayType ? 12 : bytesOf[type];
  if (least === undefined) return cursor.fail(reading, `type ${type} is not one of GGUF's 13`);
  if (count * least > cursor.remaining) {
    return cursor.fail(reading, `its ${count} elements do not fit in the ${cursor.remaining} bytes that are left`);
  }
  if (type === arrayType) return Array.from({ length: count }, () => readArray(cursor, reading, depth + 1));
  const start = cursor.at;
  if (type === stringType) {
    cursor.skipStrings(count, reading);
    const copy = cursor.copy(start, cursor.at - start);
    return new Deferred(() => strings(copy, count));
  }
  cursor.need(count * least, reading);
  cursor.at += count * least;
  return numbers(cursor.copy(start, count * least), type);
}

/** Little-endian numbers as a typed array; booleans and 64-bit integers as plain arrays. */
function numbers(
  bytes: Uint8Array<ArrayBuffer>,
  type: number,
): ArrayLike<number | boolean | bigint> & Iterable<unknown> {
  switch (type) {
    case 0:
      return bytes;
    case 1:
      return new Int8Array(bytes.buffer);
    case 2:
      return new Uint16Array(bytes.buffer);
    case 3:
      return new Int16Array(bytes.buffer);
    case 4:
      return new Uint32Array(bytes.buffer);
    case 5:
      return new Int32Array(bytes.buffer);
    case 6:
      return new Float32Array(bytes.buffer);
    case 7:
      return Array.from(bytes, (b) => b !== 0);
    case 10:
      return Array.from(new BigUint64Array(bytes.buffer), narrow);
    case 11:
      return Array.from(new BigInt64Array(bytes.buffer), narrow);
    default:
      return new Float64Array(bytes.buffer);
  }
}

const narrow = (n: bigint): number | bigint => {
  const asNumber = Number(n);
  return Number.isSafeInteger(asNumber) ? asNumber : n;
};

/** `count` strings, each after its 64-bit length; every length was checked when the header was read. */
function strings(bytes: Uint8Array<ArrayBuffer>, count: number): string[] {
  const buffer = Buffer.from(bytes.buffer);
  // One Latin-1 string of everything: a piece of ASCII, which most pieces are, is then a substring and no call.
  const latin = buffer.toString("latin1");
  const out = new Array<string>(count);
  for (let i = 0, at = 0; i < count; i++) {
    const start = at + 8;
    at = start + bytes[at]! + (bytes[at + 1]! << 8) + (bytes[at + 2]! << 16) + bytes[at + 3]! * 0x1000000;
    let p = start;
    while (p < at && bytes[p]! < 128) p++;
    out[i] = p === at ? latin.substring(start, at) : buffer.toString("utf8", start, at);
  }
  return out;
}
