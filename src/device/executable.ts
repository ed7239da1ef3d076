/**
 * Native memory and machine code that can be called, through koffi, an optional dependency with prebuilt binaries.
 *
 * Code is never writable and executable at once: it is written, then made read-only and executable; where a hardened kernel
 * refuses that, a memory file is mapped twice. Tested on Linux; elsewhere `openNative` gives `undefined` and callers
 * fall back to WebAssembly.
 */
import { createRequire } from "node:module";
import { UserError } from "../core/errors.ts";
import type { Region } from "./device.ts";

const protection = { read: 1, write: 2, execute: 4 };
const mapping = { shared: 1, private: 2, anonymous: 0x20 };
const hugePage = 2 << 20;
const adviceHugePage = 14;

export interface Native {
  /** Zeroed, 64-byte aligned, on huge pages where it is large enough. At most 4 GiB. */
  alloc(bytes: number): Region;
  free(region: Region): void;
  /** Copies code to executable memory and returns its address. Lives until `release`. */
  install(code: Uint8Array): number;
  release(): void;
  /** Calls `code(argument)` at once, on this thread. */
  call(code: number, argument: number): void;
  /** Calls `code(argument)` on a thread of the runtime's pool. */
  callAsync(code: number, argument: number): Promise<void>;
  /** Starts a thread at `code(argument)`; gives what `join` takes. */
  thread(code: number, argument: number): bigint;
  join(thread: bigint): void;
}

/** What hardened systems refuse: to make written memory executable; to execute any memory that a program provides. */
export type Refusal = "protect" | "execute";

/** The system does not let this program run machine code that it has made. */
export class ExecutionRefused extends UserError {}

/**
 * `undefined` where koffi is not installed or this is not x86-64 Linux. `refused` is refused whatever the system allows, so
 * that what comes next can be tried.
 */
export function openNative(refused: readonly Refusal[] = []): Native | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    return new Linux(loadKoffi(), refused);
  } catch {
    return undefined;
  }
}

/** At once, not by `import()`: the first tensor of a program opens a device while its caller waits. */
const loadKoffi = (): Koffi => createRequire(import.meta.url)("koffi") as Koffi;

/** Asks for huge pages for `bytes` from a buffer's start on, some of which it may yet grow into; without koffi, or elsewhere, nothing happens. */
export function adviseHugePages(buffer: ArrayBufferLike, bytes: number): void {
  if (process.platform !== "linux") return;
  try {
    const koffi = loadKoffi();
    bindLibc(koffi).madvise(Number(koffi.address(new Uint8Array(buffer))), bytes, adviceHugePage);
  } catch {
    // It only costs speed.
  }
}

type Koffi = typeof import("koffi").default;

/** The functions of libc that are used, addresses as numbers. */
function bindLibc(koffi: Koffi) {
  const libc = koffi.load("libc.so.6");
  return {
    mmap: libc.func("uint64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)"),
    munmap: libc.func("int munmap(uint64_t, uint64_t)"),
    mprotect: libc.func("int mprotect(uint64_t, uint64_t, int)"),
    madvise: libc.func("int madvise(uint64_t, uint64_t, int)"),
    memfd: libc.func("int memfd_create(const char *, uint)"),
    truncate: libc.func("int ftruncate(int, int64_t)"),
    close: libc.func("int close(int)"),
    create: libc.func("int pthread_create(_Out_ uint64_t *, uint64_t, uint64_t, uint64_t)"),
    join: libc.func("int pthread_join(uint64_t, uint64_t)"),
  };
}

interface Range {
  readonly address: number;
  readonly bytes: number;
}

class Linux implements Native {
  readonly #koffi: Koffi;
  readonly #refused: readonly Refusal[];
  readonly #libc: ReturnType<typeof bindLibc>;
  readonly #prototype: ReturnType<Koffi["proto"]>;
  readonly #callables = new Map<number, ReturnType<Koffi["decode"]>>();
  readonly #installed: Range[] = [];
  /** What was mapped for each region, by the region's address. */
  readonly #mapped = new Map<number, Range>();

  constructor(koffi: Koffi, refused: readonly Refusal[]) {
    this.#koffi = koffi;
    this.#refused = refused;
    this.#libc = bindLibc(koffi);
    this.#prototype = koffi.proto("void", ["uint64_t"]);
  }

  /** 0 where the system refuses. */
  #map(bytes: number, access: number, flags: number, file = -1): number {
    if (access & protection.execute && this.#refused.includes("execute")) return 0;
    const address = Number(this.#libc.mmap(0, bytes, access, flags, file, 0));
    return address > 0 && address < 2 ** 52 ? address : 0;
  }

  alloc(bytes: number): Region {
    const huge = bytes >= hugePage;
    const step = huge ? hugePage : 4096;
    const length = Math.max(step, Math.ceil(bytes / step) * step);
    const whole = length + (huge ? hugePage : 0);
    const start = this.#map(whole, protection.read | protection.write, mapping.private | mapping.anonymous);
    if (start === 0) {
      throw new UserError(
        `${(bytes / 2 ** 20).toFixed(0)} MiB of memory were asked for, and the system refused.`,
        "Use a smaller model, a shorter context or fewer cache blocks, or free memory on this machine.",
      );
    }
    const address = huge ? Math.ceil(start / hugePage) * hugePage : start;
    if (huge) this.#libc.madvise(address, length, adviceHugePage);
    this.#mapped.set(address, { address: start, bytes: whole });
    return { address, bytes, buffer: this.#koffi.view(BigInt(address), length), offset: 0 };
  }

  free(region: Region): void {
    const range = this.#mapped.get(region.address);
    if (range === undefined) return;
    this.#mapped.delete(region.address);
    this.#libc.munmap(range.address, range.bytes);
  }

  install(code: Uint8Array): number {
    const bytes = Math.ceil(code.length / 4096) * 4096;
    const address = this.#writeThenProtect(code, bytes) || this.#mapTwice(code, bytes);
    if (address === 0) {
      throw new ExecutionRefused(
        "This system does not let a program make memory executable.",
        "Run with --level wasm.",
      );
    }
    this.#installed.push({ address, bytes });
    return address;
  }

  #write(address: number, bytes: number, code: Uint8Array): void {
    new Uint8Array(this.#koffi.view(BigInt(address), bytes)).set(code);
  }

  #writeThenProtect(code: Uint8Array, bytes: number): number {
    const address = this.#map(bytes, protection.read | protection.write, mapping.private | mapping.anonymous);
    if (address === 0) return 0;
    this.#write(address, bytes, code);
    const refused = this.#refused.includes("protect") || this.#refused.includes("execute");
    if (!refused && this.#libc.mprotect(address, bytes, protection.read | protection.execute) === 0) return address;
    this.#libc.munmap(address, bytes);
    return 0;
  }

  /** The mapping that was written is gone before the one that executes comes. */
  #mapTwice(code: Uint8Array, bytes: number): number {
    const file = this.#libc.memfd("heddle", 0);
    if (file < 0) return 0;
    try {
      if (this.#libc.truncate(file, bytes) !== 0) return 0;
      const writable = this.#map(bytes, protection.read | protection.write, mapping.shared, file);
      if (writable === 0) return 0;
      this.#write(writable, bytes, code);
      this.#libc.munmap(writable, bytes);
      return this.#map(bytes, protection.read | protection.execute, mapping.shared, file);
    } finally {
      this.#libc.close(file);
    }
  }

  release(): void {
    for (const { address, bytes } of this.#installed.splice(0)) this.#libc.munmap(address, bytes);
    this.#callables.clear();
  }

  #callable(code: number): ReturnType<Koffi["decode"]> {
    const known = this.#callables.get(code);
    if (known !== undefined) return known;
    const made = this.#koffi.decode(BigInt(code), this.#prototype);
    this.#callables.set(code, made);
    return made;
  }

  call(code: number, argument: number): void {
    this.#callable(code)(argument);
  }

  callAsync(code: number, argument: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#callable(code).async(argument, (error: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  thread(code: number, argument: number): bigint {
    const out: [bigint | number] = [0];
    const status = this.#libc.create(out, 0, code, argument);
    if (status !== 0) throw new UserError(`A thread could not be started (error ${status}).`, "Use fewer --threads.");
    return BigInt(out[0]);
  }

  join(thread: bigint): void {
    this.#libc.join(thread, 0);
  }
}
