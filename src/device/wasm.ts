/** The WebAssembly device: one shared memory, and worker threads that each run the launch loop over it. */
import { setFlagsFromString } from "node:v8";
import { madd8Probe, type Relaxed, renderWasm, wasmTarget } from "../compile/render/wasm.ts";
import { FunctionWriter, writeModule } from "../compile/render/wasm-module.ts";
import type { TileProgram } from "../compile/tile.ts";
import { assert, UserError } from "../core/errors.ts";
import { Allocator } from "./allocator.ts";
import type { Device, DeviceOptions, Rendered, Span } from "./device.ts";
import { adviseHugePages } from "./executable.ts";
import { control, driverModule } from "./wasm-driver.ts";
import { startThreads } from "./wasm-threads.ts";
import type { Times } from "./wasm-worker.ts";

const pageBytes = 65536;
const pagesMax = 65536;

export interface WasmOptions extends DeviceOptions {
  /** Which relaxed instructions are used, with which an fma rounds once where the processor does; by default what is there. */
  readonly relaxed?: Relaxed;
}

export function openWasm({ threads, scratchBytes, relaxed = relaxedHere() }: WasmOptions): Device {
  const memory = reserve();
  // On small pages a matrix that is read from memory is read at half the speed.
  adviseHugePages(memory.buffer, pagesMax * pageBytes);
  const space = new Allocator((bytes) => grow(memory, bytes));
  const block = space.alloc(control.bytes);
  const driver = new WebAssembly.Module(driverModule(pagesMax));
  const pool = startThreads(
    Array.from({ length: threads }, (_, i) => {
      return { memory, driver, threads, scratch: space.alloc(scratchBytes), control: block, thread: i + 1 };
    }),
  );
  let installed = 0;
  const here = thisThread(memory, driver, space, scratchBytes);
  const render = (p: TileProgram): Rendered => ({ name: p.name, code: Uint8Array.from(renderWasm(p, relaxed)) });
  return {
    level: "wasm",
    target: wasmTarget,
    threads,
    scratchBytes,
    machine: false,
    dialect: `wasm ${JSON.stringify(relaxed)}`,
    alloc(bytes) {
      const address = space.alloc(bytes);
      const buffer = memory.buffer;
      new Uint8Array(buffer, address, bytes).fill(0);
      return { address, bytes, buffer, offset: address };
    },
    free: (region) => space.free(region.address),
    render,
    install(programs) {
      const functions = programs.map((p) => ({ parameters: 4, body: [...("code" in p ? p : render(p)).code] }));
      const module = new WebAssembly.Module(
        writeModule({ functions, exports: new Map(), pagesMax, tableBase: installed }),
      );
      const handles = programs.map((_, i) => installed + i);
      installed += programs.length;
      pool.post({ kind: "install", module, size: installed });
      here.install(module, installed);
      return handles;
    },
    async run(records, count) {
      await pool.run({ kind: "run", records: records.address, count });
    },
    runNow: (records, count) => here.run(records.address, count),
    async timedRun(records, count) {
      const answers = await pool.run({ kind: "run", records: records.address, count, timed: true });
      return spansOf(answers.map((times) => times ?? []));
    },
    close: () => pool.close(),
  };
}

/** Runs lists on the calling thread, with a table of kernels and a control block of its own. */
function thisThread(
  memory: WebAssembly.Memory,
  driver: WebAssembly.Module,
  space: Allocator,
  scratchBytes: number,
): { install(module: WebAssembly.Module, size: number): void; run(records: number, count: number): void } {
  let waiting: { readonly module: WebAssembly.Module; readonly size: number }[] = [];
  let own: { readonly table: WebAssembly.Table; run(records: number, count: number): void } | undefined;
  const start = (): NonNullable<typeof own> => {
    const table = new WebAssembly.Table({ element: "anyfunc", initial: 0 });
    const { run } = new WebAssembly.Instance(driver, { env: { memory, table } }).exports;
    assert(typeof run === "function", () => "the driver exports its loop");
    const [scratch, block] = [space.alloc(scratchBytes), space.alloc(control.bytes)];
    new Uint8Array(memory.buffer, block, control.bytes).fill(0);
    return { table, run: (records, count) => void run(records, count, 1, scratch, block, 1) };
  };
  return {
    install: (module, size) => void waiting.push({ module, size }),
    run(records, count) {
      own ??= start();
      for (const { module, size } of waiting) {
        own.table.grow(size - own.table.length);
        new WebAssembly.Instance(module, { env: { memory, table: own.table } });
      }
      waiting = [];
      own.run(records, count);
    },
  };
}

function spansOf(threads: readonly Times[]): Span[] {
  const first = Math.min(...threads.map((times) => times[0]?.[0] ?? Number.POSITIVE_INFINITY));
  const seconds = (time: number): number => (time - first) / 1000;
  return threads.flatMap((times, thread) =>
    times.map(([begin, end], record) => {
      return { record, thread, begin: seconds(begin), worked: seconds(end), end: seconds(end) };
    }),
  );
}

/** All the address space that it may come to need; pages count as memory when they are grown and touched. */
function reserve(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: pagesMax, shared: true });
  } catch {
    throw new UserError(
      `A WebAssembly memory of up to ${(pagesMax * pageBytes) / 2 ** 20} MiB was asked for; the system refused the address space.`,
      "Raise the limit of virtual memory (ulimit -v), or use a level of machine code.",
    );
  }
}

function grow(memory: WebAssembly.Memory, bytes: number): void {
  const missing = Math.ceil(bytes / pageBytes) - memory.buffer.byteLength / pageBytes;
  if (missing <= 0) return;
  try {
    memory.grow(missing);
  } catch {
    throw new UserError(
      `${Math.ceil(bytes / 2 ** 20)} MiB of WebAssembly memory are needed; at most 4096 MiB can be had, and the system may give less.`,
      "Use a smaller model, a shorter context or fewer cache blocks, or a level of machine code.",
    );
  }
}

/** What relaxed instructions do is up to the processor, so they are tried. */
function relaxedHere(): Relaxed {
  if (!allowRelaxed()) return { fma: false, madd8: false };
  const functions = [{ parameters: 0, body: madd8Probe() }];
  const module = new WebAssembly.Module(writeModule({ functions, exports: new Map([["probe", 0]]), pagesMax: 1 }));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 0 });
  const { probe } = new WebAssembly.Instance(module, { env: { memory, table } }).exports;
  assert(typeof probe === "function", () => "the probe of relaxed SIMD is exported");
  probe();
  return { fma: true, madd8: new DataView(memory.buffer).getInt32(0, true) === 256 };
}

/** Turns relaxed SIMD on where a flag is needed (Node 20), and says whether it is there. */
function allowRelaxed(): boolean {
  const f = new FunctionWriter(0);
  const zero = (): FunctionWriter => f.simd(12).op(...new Array<number>(16).fill(0));
  zero();
  zero();
  zero().simd(0x105).op(0x1a);
  const probe = writeModule({ functions: [{ parameters: 0, body: f.body() }], exports: new Map(), pagesMax });
  if (WebAssembly.validate(probe)) return true;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(probe);
}
