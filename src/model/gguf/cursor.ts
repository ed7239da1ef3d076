/**
 * Reads a GGUF header from front to back, checking every length against the file before it is believed.
 *
 * Numbers of 64 bits are compared as doubles: above 2^53 they lose low bits, but never become smaller than a file.
 */
import { UserError } from "../../core/errors.ts";
import type { MappedFile } from "../mapped-file.ts";

/** Headers are a few megabytes; where the file is not mapped, no more than about this is read at a time. */
const windowBytes = 2 ** 24;

export const damaged = "The file is damaged or incomplete: download it again.";

export class Cursor {
  readonly #file: MappedFile;
  #bytes: Buffer;
  #view: DataView;
  at = 0;

  constructor(file: MappedFile) {
    this.#file = file;
    this.#bytes = Buffer.alloc(0);
    this.#view = new DataView(this.#bytes.buffer, 0, 0);
    this.#widen(Math.min(windowBytes, file.size));
  }

  get remaining(): number {
    return this.#file.size - this.at;
  }

  /** Throws the `UserError` of a header that cannot be true. */
  fail(reading: string, problem: string, hint = damaged): never {
    throw new UserError(`Reading ${reading} at byte ${this.at} of ${this.#file.path}: ${problem}.`, hint);
  }

  /** Makes sure that `length` bytes follow. */
  need(length: number, reading: string): void {
    if (length > this.remaining) {
      this.fail(reading, `it takes ${length} bytes, but the file ends after ${this.remaining}`);
    }
    const end = this.at + length;
    if (end > this.#bytes.length) this.#widen(Math.min(this.#file.size, Math.max(end, 2 * this.#bytes.length)));
  }

  u8(reading: string): number {
    this.need(1, reading);
    return this.#view.getUint8(this.at++);
  }

  u32(reading: string): number {
    this.need(4, reading);
    return this.#view.getUint32((this.at += 4) - 4, true);
  }

  /** A length, count or offset: exact below 2^53, and above it still far beyond any file. */
  u64(reading: string): number {
    this.need(8, reading);
    const low = this.#view.getUint32(this.at, true);
    const high = this.#view.getUint32(this.at + 4, true);
    this.at += 8;
    return high * 0x1_0000_0000 + low;
  }

  /** A string of at most `most` bytes, decoded as UTF-8. */
  string(reading: string, most = Number.POSITIVE_INFINITY): string {
    const length = this.u64(reading);
    if (length > most) this.fail(reading, `its length is ${length}, and ${most} is the most`);
    this.need(length, reading);
    return this.#bytes.toString("utf8", this.at, (this.at += length));
  }

  /** Steps over `count` strings, checking each length; gives where each began, from here on, and where the last ended. */
  skipStrings(count: number, reading: string): Uint32Array {
    const starts = new Uint32Array(count + 1);
    const from = this.at;
    for (let i = 0; i < count; i++) {
      starts[i] = this.at - from;
      const length = this.u64(reading);
      this.need(length, reading);
      this.at += length;
    }
    starts[count] = this.at - from;
    return starts;
  }

  /** A copy of the `length` bytes from `start` on, which have been read: it may outlive the mapping. */
  copy(start: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #widen(length: number): void {
    const bytes = this.#file.bytes(0, length);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, length);
  }
}
