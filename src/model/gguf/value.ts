/** The values of GGUF metadata: thirteen types, arrays of them, and strings by the hundred thousand. */
import type { Cursor } from "./cursor.ts";
import { StringList } from "./string-list.ts";

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
    const starts = cursor.skipStrings(count, reading);
    return new StringList(cursor.copy(start, cursor.at - start), starts);
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
