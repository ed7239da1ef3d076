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
const repetitions = { read: 15, peak: 12 };

/** Takes about a second. The reference level has no limits worth the name: it is a bug to ask. */
export async function measureLimits(device: Device, bytes = defaultBytes): Promise<Limits> {
  const best = async (work: LimitWork, repetitions: number): Promise<number> => {
    let seconds = Number.POSITIVE_INFINITY;
    for (let i = 0; i < repetitions; i++) {
      const from = performance.now();
      await work.run();
      seconds = Math.min(seconds, (performance.now() - from) / 1000);
    }
    work.close();
    return work.amount / seconds;
  };
  const bytesPerSecond = await best(limitWork(device, "memory", bytes), repetitions.read);
  const rates: number[] = [];
  for (const arithmetic of arithmetics) rates.push(await best(limitWork(device, arithmetic), repetitions.peak));
  const [f32, bf16, int8] = rates as [number, number, number];
  return { bytesPerSecond, operationsPerSecond: { f32, bf16, int8 } };
}

/** What a limit is the rate of, to be timed as what is held against it. */
export interface LimitWork {
  /** Bytes or operations of a run. */
  readonly amount: number;
  run(): Promise<void>;
  close(): void;
}

export function limitWork(device: Device, of: "memory" | Arithmetic, bytes = defaultBytes): LimitWork {
  assert(device.level !== "reference", () => "limits of the reference level");
  const work = of === "memory" ? reading(device, bytes) : computing(device, of);
  const [kernel] = device.install([work.program]);
  const args = work.regions.map(({ address }) => address);
  const list = callList(device, [{ kernel: kernel!, args, items: work.items }]);
  return {
    amount: work.amount,
    run: () => list.run(),
    close() {
      list.close();
      for (const region of work.regions) device.free(region);
    },
  };
}

interface Work {
  readonly program: TileProgram;
  readonly regions: readonly Region[];
  readonly items: number;
  readonly amount: number;
}

function reading(device: Device, bytes: number): Work {
  const items = Math.floor(bytes / itemBytes);
  const memory = device.alloc(items * itemBytes + 4096);
  // Pages that nobody has written are all one page of zeros, which stays in the cache.
  new Uint8Array(memory.buffer, memory.offset, memory.bytes).fill(1);
  const regions = [memory, device.alloc(items * 64)];
  return { program: readKernel(device.target), regions, items, amount: items * itemBytes };
}

function computing(device: Device, arithmetic: Arithmetic): Work {
  const { program, operations } = peak(device.target, arithmetic);
  const items = 64 * device.threads;
  return { program, regions: [device.alloc(items * 64)], items, amount: items * operations };
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
        if (target.fetchInto === 1 && (n * step) % 64 === 0) b.prefetch(at(from, 4096 + n * step, i));
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
