/** What the machine allows: arithmetic in registers and memory read as a stream, on each level, with one thread and with more. */
import type { Arithmetic } from "../compile/work.ts";
import type { Level } from "../device/device.ts";
import { type Limits, measureLimits } from "../device/limits.ts";
import { openDevice } from "../device/open.ts";
import type { Bench } from "./terms.ts";

/** The limits of a fresh device, closed again. */
export async function limitsOf(level: Level | undefined, threads: number): Promise<Limits> {
  const device = await openDevice(level, { threads, scratchBytes: 4096 });
  try {
    return await measureLimits(device);
  } finally {
    await device.close();
  }
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
