/**
 * What the machine could do at most, measured on the same device as what is held against it: memory read as a stream, and
 * arithmetic that stays in registers. All threads of the device together.
 */
import type { Target, TileProgram } from "../compile/tile.ts";
import { at, TileBuilder, vector } from "../compile/tile-builder.ts";
import type { Arithmetic } from "../compile/work.ts";
import { assert } from "../core/errors.ts";
import { callList } from "./call-list.ts";
import type { Device, Region } from "./device.ts";

export interface Limits {
  readonly bytesPerSecond: number;
  /** A multiplication and an addition are two operations. */
  readonly operationsPerSecond: Readonly<Record<Arithmetic, number>>;
}

/** More than ten times the last-level cache of most machines. */
const defaultBytes = 512 << 20;
const itemBytes = 256 << 10;
/** Best of this many: what disturbs a measurement only ever makes it slower. */
const repetitions = { read: 15, peak: 80 };

/** Takes about a second. The reference level has no limits worth the name: it is a bug to ask. */
export async function measureLimits(device: Device, bytes = defaultBytes): Promise<Limits> {
  const meter = limitMeter(device, bytes);
  const bytesPerSecond = await meter.bytesPerSecond();
  const rates: number[] = [];
  for (const arithmetic of arithmetics) rates.push(await meter.operationsPerSecond(arithmetic));
  meter.close();
  const [f32, bf16, int8] = rates as [number, number, number];
  return { bytesPerSecond, operationsPerSecond: { f32, bf16, int8 } };
}

/** The limits one by one, and again: a machine that others share has others from one second to the next. */
export interface LimitMeter {
  bytesPerSecond(): Promise<number>;
  operationsPerSecond(arithmetic: Arithmetic): Promise<number>;
  close(): void;
}

export function limitMeter(device: Device, bytes = defaultBytes): LimitMeter {
  assert(device.level !== "reference", () => "limits of the reference level");
  const peaks = arithmetics.map((arithmetic) => peak(device.target, arithmetic));
  const [read, ...handles] = device.install([readKernel(device.target), ...peaks.map(({ program }) => program)]);
  let stream: Stream | undefined;
  return {
    async bytesPerSecond() {
      stream ??= streamOf(device, bytes);
      const { memory, out, items } = stream;
      return (items * itemBytes) / (await best(device, read!, [memory, out], items, repetitions.read));
    },
    operationsPerSecond: (arithmetic) => {
      const i = arithmetics.indexOf(arithmetic);
      return peakRate(device, handles[i]!, peaks[i]!.operations);
    },
    close() {
      for (const region of [stream?.memory, stream?.out]) if (region !== undefined) device.free(region);
      stream = undefined;
    },
  };
}

/** Parameters: memory, out; an item is 256 KiB read. */
function readKernel(target: Target): TileProgram {
  const b = new TileBuilder(target);
  const [memory, out] = [b.param(), b.param()];
  const step = target.lanes * 4;
  const vectors = 8;
  b.for(b.begin, b.end, 1, (item) => {
    const from = b.add(memory, b.mul(item, itemBytes));
    const sums = Array.from({ length: vectors }, () => b.constI(0));
    b.for(0, itemBytes, vectors * step, (i) => {
      for (const [n, sum] of sums.entries()) {
        if ((n * step) % 64 === 0) b.prefetch(at(from, 4096 + n * step, i));
        b.i32("xor", sum, vector(at(from, n * step, i)), sum);
      }
    });
    const all = sums.reduce((x, y) => b.i32("xor", x, y));
    b.store(at(out, 0, b.mul(item, 64)), all);
  });
  return b.finish("limit-read");
}

const arithmetics: readonly Arithmetic[] = ["f32", "bf16", "int8"];

/** Turns of a peak kernel's loop in an item. */
const turns = 20_000;

/** Parameters: out. `operations` are those of an item. */
function peak(target: Target, arithmetic: Arithmetic): { readonly program: TileProgram; readonly operations: number } {
  const b = new TileBuilder(target);
  const out = b.param();
  const chains = Math.min(12, target.registers - 4);
  const unrolled = 4;
  let operations = 0;
  b.for(b.begin, b.end, 1, (item) => {
    // Without products of bf16 pairs, numbers of that kind are widened and multiplied as f32.
    const narrow = arithmetic === "bf16" && target.dotBf16;
    const write = arithmetic === "int8" ? int8Chains(b, chains) : narrow ? bf16Chains(b, chains) : f32Chains(b, chains);
    b.for(0, turns, 1, () => {
      for (let i = 0; i < unrolled; i++) operations += write.turn() * turns;
    });
    b.store(at(out, 0, b.mul(item, 64)), write.result());
  });
  return { program: b.finish(`limit-${arithmetic}`), operations };
}

/** `turn` advances each chain by one instruction, and gives the operations that this is. */
function f32Chains(b: TileBuilder, chains: number) {
  const [x, y] = [b.constF(1.0001), b.constF(0.9999)];
  const sums = Array.from({ length: chains }, () => b.constF(0));
  return {
    turn() {
      for (const sum of sums) b.fma(sum, x, y);
      return sums.length * b.target.lanes * 2;
    },
    result: () => sums.reduce((p, q) => b.fadd(p, q)),
  };
}

function bf16Chains(b: TileBuilder, chains: number) {
  const [x, y] = [b.constI(0x3f803f80), b.constI(0x3f813f7f)];
  const sums = Array.from({ length: chains }, () => b.constF(0));
  return {
    turn() {
      for (const sum of sums) b.dotBf16(sum, x, y);
      return sums.length * b.target.lanes * 4;
    },
    result: () => sums.reduce((p, q) => b.fadd(p, q)),
  };
}

/** Four products of bytes: where the target has no such instruction, as pairs, added in 16 bits. */
function int8Chains(b: TileBuilder, chains: number) {
  const { dot4, lanes } = b.target;
  const [x, y] = [b.constI(0x01020304), b.constI(0x04030201)];
  const sums = Array.from({ length: chains }, () => b.constI(0));
  return {
    turn() {
      for (const sum of sums) {
        if (dot4) b.dot4(sum, x, y);
        // Of the sum itself: the product of two constants would be computed once.
        else b.i32("add16", sum, b.i32("madd8", sum, y), sum);
      }
      return sums.length * lanes * 8;
    },
    result: () => sums.reduce((p, q) => b.i32("add", p, q)),
  };
}

interface Stream {
  readonly memory: Region;
  readonly out: Region;
  readonly items: number;
}

function streamOf(device: Device, bytes: number): Stream {
  const items = Math.floor(bytes / itemBytes);
  const memory = device.alloc(items * itemBytes + 4096);
  // Pages that nobody has written are all one page of zeros, which stays in the cache.
  new Uint8Array(memory.buffer, memory.offset, memory.bytes).fill(1);
  return { memory, out: device.alloc(items * 64), items };
}

async function peakRate(device: Device, kernel: number, operations: number): Promise<number> {
  const items = 8 * device.threads;
  const out = device.alloc(items * 64);
  const seconds = await best(device, kernel, [out], items, repetitions.peak);
  device.free(out);
  return (items * operations) / seconds;
}

/** The least seconds of `repetitions` runs over `items`. */
async function best(
  device: Device,
  kernel: number,
  args: readonly Region[],
  items: number,
  repetitions: number,
): Promise<number> {
  const list = callList(device, [{ kernel, args: args.map(({ address }) => address), items }]);
  let seconds = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repetitions; i++) {
    const from = performance.now();
    await list.run();
    seconds = Math.min(seconds, (performance.now() - from) / 1000);
  }
  list.close();
  return seconds;
}
