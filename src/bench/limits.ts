/** What the machine allows: arithmetic in registers and memory read as a stream, on each level, with one thread and with more. */
import type { Arithmetic } from "../compile/work.ts";
import type { Level } from "../device/device.ts";
import { type Limits, limitWork, measureLimits } from "../device/limits.ts";
import { openDevice } from "../device/open.ts";
import { secondsOf } from "./interleave.ts";
import type { Bench } from "./terms.ts";

/**
 * A function that measures the limits on a fresh device, and gives the most that was seen so far: asked before each row, it
 * forgets the moments when something else had the machine.
 */
export function limitsOn(level: Level | undefined, threads: number): () => Promise<Limits> {
  let most: Limits | undefined;
  return async () => {
    const device = await openDevice(level, { threads, scratchBytes: 4096 });
    try {
      most = larger(await measureLimits(device), most);
      return most;
    } finally {
      await device.close();
    }
  };
}

/**
 * One limit, to be measured in turn with what is held against it, and as that is: the mean of a while, and not the best moment. On a
 * machine that others share it is another from one second to the next. Bytes or operations a second, in billions.
 */
export interface LimitSide {
  measure(): Promise<number>;
  close(): Promise<void>;
}

export async function limitSide(
  level: Level | undefined,
  threads: number,
  of: "memory" | Arithmetic,
): Promise<LimitSide> {
  const device = await openDevice(level, { threads, scratchBytes: 4096 });
  const work = limitWork(device, of);
  return {
    measure: async () => work.amount / (await secondsOf(work.run)) / 1e9,
    async close() {
      work.close();
      await device.close();
    },
  };
}

function larger(a: Limits, b: Limits | undefined): Limits {
  if (b === undefined) return a;
  const { f32, bf16, int8 } = a.operationsPerSecond;
  const other = b.operationsPerSecond;
  return {
    bytesPerSecond: Math.max(a.bytesPerSecond, b.bytesPerSecond),
    operationsPerSecond: {
      f32: Math.max(f32, other.f32),
      bf16: Math.max(bf16, other.bf16),
      int8: Math.max(int8, other.int8),
    },
  };
}

export async function run(bench: Bench): Promise<void> {
  const levels: readonly (Level | undefined)[] = bench.level === undefined ? [undefined, "wasm"] : [bench.level];
  for (const level of levels) {
    for (const threads of bench.threads) {
      const device = await openDevice(level, { threads, scratchBytes: 4096 });
      const { bytesPerSecond, operationsPerSecond } = await measureLimits(device);
      await device.close();
      const row = (what: string, ours: number | undefined, unit: string): void =>
        bench.row({ name: `limit ${what}, ${device.level}`, threads, ours, unit });
      for (const arithmetic of Object.keys(operationsPerSecond) as Arithmetic[]) {
        row(arithmetic, operationsPerSecond[arithmetic] / 1e9, arithmetic === "int8" ? "GOP/s" : "GF/s");
      }
      row("memory", bytesPerSecond / 1e9, "GB/s");
    }
  }
}
