/**
 * A file read by range: mapped into memory where koffi can call mmap, else read range by range.
 *
 * A mapping costs nothing until its pages are touched, and its pages are the page cache's, so weights exist once.
 * `koffi.view` over more than 4 GiB aborts Node 20, so there is one view a range and none over the whole file.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { assert, UserError } from "../core/errors.ts";

export interface MappedFile {
  readonly path: string;
  readonly size: number;
  /**
   * `length` bytes from `offset` on, both inside the file. Read-only, and not to be used after `close`: where the file
   * is mapped, a view that outlives it crashes the process.
   */
  bytes(offset: number, length: number): Uint8Array;
  /** Where the file's first byte is in memory, if it is mapped. */
  readonly address?: number;
  close(): void;
}

/** What koffi gives us; the package is optional, so its own types may be absent. */
interface Koffi {
  load(library: null): {
    func(name: string, result: string, parameters: readonly string[]): (...a: unknown[]) => unknown;
  };
  view(pointer: bigint, length: number): ArrayBuffer;
}

const viewBytesMax = 2 ** 32 - 1;
/** One read(2) returns at most this. */
const readBytesMax = 2 ** 30;
const protRead = 1;
const mapPrivate = 2;

/** Opens `path` for reading. Throws a `UserError` where it cannot be opened. */
export async function mapFile(path: string): Promise<MappedFile> {
  const descriptor = open(path);
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile())
      throw new UserError(`Reading ${path}: it is not a file.`, "Give the path of a file of weights.");
    const mapped = stat.size > 0 ? await map(path, descriptor, stat.size) : undefined;
    if (mapped === undefined) return readByRange(path, descriptor, stat.size);
    closeSync(descriptor);
    return mapped;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === "ENOENT" ? "there is no such file" : (error as Error).message;
    throw new UserError(`Opening ${path}: ${why}.`, "Check the path, or fetch a model with `heddle pull`.");
  }
}

async function map(path: string, descriptor: number, size: number): Promise<MappedFile | undefined> {
  // The prototype of mmap with a 64-bit offset holds on 64-bit Linux and macOS; elsewhere ranges are read.
  if (process.platform !== "linux" && process.platform !== "darwin") return undefined;
  const koffi = await loadKoffi();
  if (koffi === undefined) return undefined;
  const libc = koffi.load(null);
  const mmap = libc.func("mmap", "void *", ["void *", "size_t", "int", "int", "int", "int64_t"]);
  const munmap = libc.func("munmap", "int", ["void *", "size_t"]);
  const base = mmap(null, size, protRead, mapPrivate, descriptor, 0);
  if (typeof base !== "bigint" || base === 2n ** 64n - 1n) return undefined;
  let open = true;
  const whole = size <= viewBytesMax ? new Uint8Array(koffi.view(base, size)) : undefined;
  return {
    path,
    size,
    address: Number(base),
    bytes(offset, length) {
      checkRange(path, open, size, offset, length);
      return whole?.subarray(offset, offset + length) ?? new Uint8Array(koffi.view(base + BigInt(offset), length));
    },
    close() {
      if (open) munmap(base, size);
      open = false;
    },
  };
}

async function loadKoffi(): Promise<Koffi | undefined> {
  try {
    return (await import("koffi")).default as unknown as Koffi;
  } catch {
    return undefined;
  }
}

/** The portable way: each range is read when it is asked for, into memory of its own. */
export function readByRange(path: string, descriptor: number, size: number): MappedFile {
  let open = true;
  return {
    path,
    size,
    bytes(offset, length) {
      checkRange(path, open, size, offset, length);
      const into = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const read = readSync(descriptor, into, at, Math.min(length - at, readBytesMax), offset + at);
        if (read === 0) throw new UserError(`Reading ${path}: it became shorter while it was read.`, "Load it again.");
        at += read;
      }
      return into;
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

function checkRange(path: string, open: boolean, size: number, offset: number, length: number): void {
  assert(open, () => `${path} is used after it was closed`);
  const inside = offset >= 0 && length >= 0 && offset + length <= size;
  assert(inside, () => `bytes ${offset}+${length} of ${path}, which has ${size}`);
  if (length > viewBytesMax) {
    throw new UserError(`Reading ${path}: one tensor takes ${length} bytes; Node holds at most 4 GiB in one array.`);
  }
}
