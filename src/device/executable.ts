/**
 * Native memory and machine code that can be called, through koffi, an optional dependency with prebuilt binaries.
 *
 * Code is never writable and executable at once: it is written, then made read-only and executable; where a hardened kernel
 * refuses that, a memory file is mapped twice. Tested on Linux; elsewhere `openNative` gives `undefined` and callers
 * fall back to WebAssembly.
 */
import { UserError } from "../core/errors.ts";
import type { Region } from "./device.ts";

const protection = { read: 1, write: 2, execute: 4 };
const mapping = { shared: 1, private: 2, anonymous: 0x20 };
const hugePage = 2 << 20;
const adviceHugePage = 14;

export type NativeFunction = (argument: number) => Promise<void>;

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

/** `undefined` where koffi is not installed or this is not x86-64 Linux. */
export async function openNative(): Promise<Native | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    return bind(koffi);
  } catch {
    return undefined;
  }
}

type Koffi = typeof import("koffi").default;

function bind(koffi: Koffi): Native {
  const libc = koffi.load("libc.so.6");
  const mmap = libc.func("uint64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)");
  const munmap = libc.func("int munmap(uint64_t, uint64_t)");
  const mprotect = libc.func("int mprotect(uint64_t, uint64_t, int)");
  const madvise = libc.func("int madvise(uint64_t, uint64_t, int)");
  const memfd = libc.func("int memfd_create(const char *, uint)");
  const truncate = libc.func("int ftruncate(int, int64_t)");
  const close = libc.func("int close(int)");
  const create = libc.func("int pthread_create(_Out_ uint64_t *, uint64_t, uint64_t, uint64_t)");
  const join = libc.func("int pthread_join(uint64_t, uint64_t)");
  const prototype = koffi.proto("void", ["uint64_t"]);
  const callables = new Map<number, ReturnType<typeof koffi.decode>>();
  const installed: { address: number; bytes: number }[] = [];
  const raw = new Map<number, { address: number; bytes: number }>();

  const map = (bytes: number, access: number, flags: number, file = -1): number => {
    const address = Number(mmap(0, bytes, access, flags, file, 0));
    return address > 0 && address < 2 ** 52 ? address : 0;
  };
  const callable = (code: number): ReturnType<typeof koffi.decode> => {
    const known = callables.get(code);
    if (known !== undefined) return known;
    const made = koffi.decode(BigInt(code), prototype);
    callables.set(code, made);
    return made;
  };
  const doubleMap = (code: Uint8Array, bytes: number): number => {
    const file = memfd("heddle", 0);
    if (file < 0 || truncate(file, bytes) !== 0) return 0;
    const writable = map(bytes, protection.read | protection.write, mapping.shared, file);
    const executable = map(bytes, protection.read | protection.execute, mapping.shared, file);
    close(file);
    if (writable === 0) return 0;
    new Uint8Array(koffi.view(BigInt(writable), bytes)).set(code);
    munmap(writable, bytes);
    return executable;
  };

  return {
    alloc(bytes) {
      const huge = bytes >= hugePage;
      const step = huge ? hugePage : 4096;
      const length = Math.max(step, Math.ceil(bytes / step) * step);
      const whole = length + (huge ? hugePage : 0);
      const start = map(whole, protection.read | protection.write, mapping.private | mapping.anonymous);
      if (start === 0) {
        throw new UserError(
          `${(bytes / 2 ** 20).toFixed(0)} MiB of memory were asked for, and the system refused.`,
          "Use a smaller model, a shorter context or fewer cache blocks, or free memory on this machine.",
        );
      }
      const address = huge ? Math.ceil(start / hugePage) * hugePage : start;
      if (huge) madvise(address, length, adviceHugePage);
      raw.set(address, { address: start, bytes: whole });
      return { address, bytes, buffer: koffi.view(BigInt(address), length), offset: 0 };
    },
    free(region) {
      const at = raw.get(region.address);
      if (at === undefined) return;
      raw.delete(region.address);
      munmap(at.address, at.bytes);
    },
    install(code) {
      const bytes = Math.ceil(code.length / 4096) * 4096;
      let address = map(bytes, protection.read | protection.write, mapping.private | mapping.anonymous);
      if (address !== 0) {
        new Uint8Array(koffi.view(BigInt(address), bytes)).set(code);
        if (mprotect(address, bytes, protection.read | protection.execute) !== 0) {
          munmap(address, bytes);
          address = 0;
        }
      }
      if (address === 0) address = doubleMap(code, bytes);
      if (address === 0) {
        throw new UserError("This system does not let a program make memory executable.", "Run with --level wasm.");
      }
      installed.push({ address, bytes });
      return address;
    },
    release() {
      for (const { address, bytes } of installed.splice(0)) munmap(address, bytes);
      callables.clear();
    },
    call: (code, argument) => void callable(code)(argument),
    callAsync: (code, argument) =>
      new Promise((resolve, reject) => {
        callable(code).async(argument, (error: Error | null) => (error ? reject(error) : resolve()));
      }),
    thread(code, argument) {
      const out: [bigint | number] = [0];
      const status = create(out, 0, code, argument);
      if (status !== 0) throw new UserError(`A thread could not be started (error ${status}).`, "Use fewer --threads.");
      return BigInt(out[0]);
    },
    join: (thread) => void join(thread, 0),
  };
}
