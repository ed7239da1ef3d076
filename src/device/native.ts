/** The native device: machine code in executable memory, threads made from machine code, one asynchronous call a step. */

import { renderX64, type X64Level, x64Targets } from "../compile/render/x64.ts";
import { Assembler, reg } from "../compile/render/x64-assembler.ts";
import type { Target, TileProgram } from "../compile/tile.ts";
import { assert, UserError } from "../core/errors.ts";
import type { Device, DeviceOptions, Region, Rendered } from "./device.ts";
import { type Native, openNative, type Refusal } from "./executable.ts";
import { control, own, runCode, stopCode, threadsMax, workerCode } from "./x64-driver.ts";
import { timing } from "./x64-timing.ts";

/** A cache line. */
const line = 64;

interface Processor {
  readonly level: X64Level;
  readonly bf16: boolean;
  /** What its level alone does not say. */
  readonly traits: Partial<Pick<Target, "fetchInto" | "repeated">>;
}

/** The best level that this processor and operating system support, or `undefined`. */
export function detect(native: Native): Processor | undefined {
  const code = native.install(cpuidCode());
  const out = native.alloc(64);
  native.call(code, out.address);
  const words = new Uint32Array(out.buffer, out.offset, 7);
  const [ecx1 = 0, ebx7 = 0, ecx7 = 0, xcr0 = 0, more = 0, maker = 0, eax1 = 0] = words;
  native.free(out);
  const has = (word: number, bit: number): boolean => ((word >>> bit) & 1) === 1;
  const avx2 = has(ecx1, 12) && has(ecx1, 29) && has(ebx7, 5) && (xcr0 & 6) === 6;
  if (!avx2) return undefined;
  const foundation = has(ebx7, 16) && has(ebx7, 30) && has(ebx7, 31) && has(ebx7, 17);
  const wide = foundation && has(ecx7, 11) && (xcr0 & 0xe6) === 0xe6;
  const family = ((eax1 >>> 8) & 0xf) + ((eax1 >>> 20) & 0xff);
  return {
    level: wide ? "x64-avx512" : "x64-avx2",
    bf16: wide && has(more, 5),
    traits: maker === amd && family === 25 ? zen4 : {},
  };
}

/** Repeating within the product is 10 to 19 % faster there for 4 to 16 tokens. */
const zen4 = { fetchInto: 2, repeated: "memory" } as const;

/** "Auth", of AuthenticAMD. */
const amd = 0x68747541;

/**
 * Stores ecx of leaf 1, ebx and ecx of leaf 7, XCR0 (0 without OSXSAVE), eax of leaf 7.1, ebx of leaf 0 and eax of leaf 1 at the
 * argument.
 */
function cpuidCode(): Uint8Array {
  const a = new Assembler(false);
  const cpuid = (leaf: number, part = 0): void => {
    a.movImmediate(reg.rax, leaf);
    a.movImmediate(reg.rcx, part);
    a.byte(0x0f, 0xa2);
  };
  const none = a.label();
  a.push(reg.rbx);
  cpuid(0);
  a.store32({ base: reg.rdi, offset: 20 }, reg.rbx);
  cpuid(1);
  a.store32({ base: reg.rdi, offset: 24 }, reg.rax);
  a.store32({ base: reg.rdi, offset: 0 }, reg.rcx);
  a.mov(reg.r8, reg.rcx);
  cpuid(7);
  a.store32({ base: reg.rdi, offset: 4 }, reg.rbx);
  a.store32({ base: reg.rdi, offset: 8 }, reg.rcx);
  cpuid(7, 1);
  a.store32({ base: reg.rdi, offset: 16 }, reg.rax);
  a.immediate(4, reg.r8, 1 << 27);
  a.jumpIf("e", none);
  a.xor32(reg.rcx, reg.rcx);
  a.byte(0x0f, 0x01, 0xd0);
  a.store32({ base: reg.rdi, offset: 12 }, reg.rax);
  a.bind(none);
  a.pop(reg.rbx);
  a.ret();
  return a.code();
}

/**
 * `undefined` where machine code cannot run here; throws a `UserError` where `level` is more than the processor has, and
 * `ExecutionRefused` where the system forbids it.
 */
export function openX64(
  level: X64Level | undefined,
  options: DeviceOptions,
  refused: readonly Refusal[] = [],
): Device | undefined {
  const native = openNative(refused);
  if (native === undefined) return undefined;
  try {
    const best = detect(native);
    if (best === undefined) return undefined;
    if (level === "x64-avx512" && best.level !== level) {
      throw new UserError(
        "Level x64-avx512 was asked for; this processor has no AVX-512 with VNNI.",
        "Use --level x64-avx2.",
      );
    }
    const chosen = level ?? best.level;
    const dotBf16 = x64Targets[chosen].dotBf16 && best.bf16 && (options.bf16 ?? true);
    return start(native, chosen, { ...x64Targets[chosen], dotBf16, ...best.traits }, options);
  } catch (error) {
    native.release();
    throw error;
  }
}

/** The threads of a device, what they share, and what each has. */
interface Team {
  /** The words of the control block. */
  readonly words: DataView;
  readonly scratch: readonly Region[];
  /** Runs the list that the control block names, on this thread and the others. */
  run(): Promise<void>;
  /** The same while the caller waits; `alone` on this thread only. */
  runNow(alone: boolean): void;
  /** The words of the control block that this thread runs lists by alone. */
  readonly aloneWords: DataView;
  end(): void;
}

function assemble(native: Native, { threads, scratchBytes, timed = false }: DeviceOptions): Team {
  const block = native.alloc(control.bytes);
  // The line before a thread's scratch holds what is its own.
  const scratch = Array.from({ length: threads }, () => native.alloc(scratchBytes + line));
  const words = new DataView(block.buffer, block.offset);
  const solo = native.alloc(control.bytes);
  const aloneWords = new DataView(solo.buffer, solo.offset);
  aloneWords.setInt32(control.threads, 1, true);
  words.setInt32(control.threads, threads, true);
  for (const [i, region] of scratch.entries()) {
    words.setBigUint64(control.scratch + 8 * i, BigInt(region.address + line), true);
  }
  aloneWords.setBigUint64(control.scratch, BigInt(scratch[0]!.address + line), true);
  const run = native.install(runCode(timed));
  const stop = native.install(stopCode());
  const worker = native.install(workerCode(timed));
  const others: bigint[] = [];
  const end = (): void => {
    words.setInt32(control.exit, 1, true);
    native.call(stop, block.address);
    for (const thread of others) native.join(thread);
    native.release();
    for (const region of [block, solo, ...scratch]) native.free(region);
  };
  try {
    for (let i = 1; i < threads; i++) others.push(native.thread(worker, block.address));
  } catch (error) {
    // Those that did start must be gone before their code is.
    end();
    throw error;
  }
  return {
    words,
    aloneWords,
    scratch,
    run: () => native.callAsync(run, block.address),
    runNow: (alone) => native.call(run, (alone ? solo : block).address),
    end,
  };
}

function start(native: Native, level: X64Level, target: Target, options: DeviceOptions): Device {
  const { threads, timed } = options;
  assert(threads >= 1 && threads <= threadsMax, () => `${threads} threads`);
  const { words, aloneWords, scratch, run, runNow, end } = assemble(native, options);
  let running = false;
  let closed = false;
  const clock = timed ? timing(native, scratch, line) : undefined;
  const prepare = (block: DataView, records: Region, count: number): void => {
    assert(!running && !closed, () => "runs of a device must not overlap");
    block.setBigUint64(control.records, BigInt(records.address), true);
    block.setBigUint64(control.count, BigInt(count), true);
    clock?.prepare(count);
  };
  const launch = async (records: Region, count: number): Promise<void> => {
    prepare(words, records, count);
    running = true;
    try {
      await run();
    } finally {
      running = false;
    }
  };
  return {
    level,
    target,
    threads,
    scratchBytes: options.scratchBytes,
    machine: true,
    dialect: `${level} ${JSON.stringify(target)}`,
    alloc: (bytes) => native.alloc(bytes),
    free: (region) => native.free(region),
    render,
    install: (kernels) => installKernels(native, kernels),
    run: launch,
    runNow(records, count, alone = false) {
      prepare(alone ? aloneWords : words, records, count);
      runNow(alone);
    },
    waits: () =>
      scratch.reduce((n, s) => n + Number(new DataView(s.buffer).getBigUint64(s.offset + line + own.waits, true)), 0),
    ...(clock && {
      async timedRun(records, count) {
        await launch(records, count);
        return clock.spans(count);
      },
    }),
    async close() {
      if (closed) return;
      assert(!running, () => "a device was closed while it ran");
      closed = true;
      clock?.close();
      end();
    },
  };
}

const render = (program: TileProgram): Rendered => ({ name: program.name, code: renderX64(program) });

/** One block of memory for all of them, each on a cache line of its own. */
function installKernels(native: Native, kernels: readonly (TileProgram | Rendered)[]): readonly number[] {
  if (kernels.length === 0) return [];
  const codes = kernels.map((k) => ("code" in k ? k : render(k)).code);
  const offsets: number[] = [];
  let length = 0;
  for (const code of codes) {
    offsets.push(length);
    length += Math.ceil(code.length / line) * line;
  }
  const all = new Uint8Array(length);
  for (const [i, code] of codes.entries()) all.set(code, offsets[i]!);
  const base = native.install(all);
  return offsets.map((o) => base + o);
}
