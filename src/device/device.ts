/**
 * A device: memory, installed kernels, and threads that carry out a launch list.
 *
 * The memory of every device is addressed by numbers that its kernels understand (machine addresses, offsets into a
 * WebAssembly memory) and is visible to JavaScript through views. A launch list is itself device memory, so that a whole
 * model step is one call:
 *
 *     records ──► wait for records before ──► threads claim chunks of items ──► signal, barrier ──► next record
 */
import type { Target, TileProgram } from "../compile/tile.ts";

/** `x64-avx512` needs AVX-512 F/BW/VL and VNNI; `x64-avx2` needs AVX2, FMA and F16C. */
export type Level = "x64-avx512" | "x64-avx2" | "wasm" | "reference";

/** Zeroed memory, 64-byte aligned. Views made from it must not be used after it is freed. */
export interface Region {
  readonly address: number;
  readonly bytes: number;
  readonly buffer: ArrayBufferLike;
  /** Where it begins in `buffer`. */
  readonly offset: number;
}

/**
 * Byte layout of a launch record; each record has its own cache lines, since its counter is contended.
 *
 * Threads claim `chunk` items at a time, from where `counter` stands to `items`. A record whose `thread` is i + 1 is thread
 * i's alone, and 0 anyone's. Where machine code finds a `share`, items from `counter` on are cut into as many shares of that
 * size as there are threads, and `claimed` counts what was claimed of each: a thread claims half of what is left of its own,
 * `chunk` items at least, and then of the others'; so what it reads lies in one run of memory. Before its first item a thread waits until nothing remains of the records that `waits` points
 * at: 64-bit distances in bytes from this record, ended by 0. Where `signals` is set, `remaining` counts down to 0.
 */
export const record = {
  stride: 128,
  kernel: 0,
  args: 8,
  items: 16,
  chunk: 20,
  barrier: 24,
  thread: 28,
  waits: 32,
  signals: 40,
  share: 44,
  counter: 64,
  remaining: 68,
  claimed: 72,
} as const;

/** A record has room for what so many threads claimed. */
export const sharesMax = (record.stride - record.claimed) / 4;

export interface Device {
  readonly level: Level;
  /** Why it is not of the level that this machine would be best at, to be said to the user once. */
  readonly note?: string;
  readonly target: Target;
  readonly threads: number;
  /** Of each thread. */
  readonly scratchBytes: number;
  /** Whether addresses are those of this process, so that kernels can read memory that others mapped. */
  readonly machine: boolean;
  /** Devices of one dialect run each other's code; absent where code cannot be kept. */
  readonly dialect?: string;
  alloc(bytes: number): Region;
  free(region: Region): void;
  /** Writes code that this device runs, or another of the same level. */
  render(program: TileProgram): Rendered;
  /** Handles for `record.kernel`, in the order given. */
  install(kernels: readonly (TileProgram | Rendered)[]): readonly number[];
  /**
   * Runs `count` records laid out by `record` from the start of `records`. The caller has set each record and its counters.
   * A non-zero barrier waits for all threads before the next record. Runs do not overlap.
   * `scratchBytes` given at creation is what each thread's kernels get.
   */
  run(records: Region, count: number): Promise<void>;
  /**
   * The same while the caller waits, without the cost of an asynchronous call. `alone` runs it on this thread only, as
   * WebAssembly always does: no record may then be another thread's, or have shares.
   */
  runNow(records: Region, count: number, alone?: boolean): void;
  /** The same as `run`, and when each thread did its part of each record. Machine code has it only on a device opened with `timed`. */
  timedRun?(records: Region, count: number): Promise<readonly Span[]>;
  /** How often threads made sure that others had come so far, at a barrier or before a record, since it was opened. */
  waits?(): number;
  close(): Promise<void>;
}

/** One thread at one record, in seconds from an instant that is the same for all spans of a run. */
export interface Span {
  readonly record: number;
  readonly thread: number;
  /** When it could begin: it came here, and what the record waits for was done. */
  readonly begin: number;
  /** When no items were left to claim; until `end` the thread waited for the others, if the record has a barrier. */
  readonly worked: number;
  readonly end: number;
}

/** A kernel as code; the reference device keeps none. */
export interface Rendered {
  readonly name: string;
  readonly code: Uint8Array;
}

export interface DeviceOptions {
  readonly threads: number;
  /** Scratch memory of each thread. */
  readonly scratchBytes: number;
  /** False leaves the instruction for bf16 products unused where there is one: so both ways are tested on one machine. */
  readonly bf16?: boolean;
  /** Runs with a launch loop that can tell when it did what, and is a little slower. */
  readonly timed?: boolean;
}
