/** Chooses a device: machine code where it can run, else WebAssembly; any level can be asked for by name. */
import { UserError } from "../core/errors.ts";
import type { Device, DeviceOptions, Level } from "./device.ts";

export const levels: readonly Level[] = ["x64-avx512", "x64-avx2", "wasm", "reference"];

export async function openDevice(level: Level | undefined, options: DeviceOptions): Promise<Device> {
  if (level === "reference") return (await import("./reference.ts")).openReference(options);
  if (level !== "wasm") {
    const { openX64 } = await import("./native.ts");
    const device = await openX64(level, options);
    if (device !== undefined) return device;
    if (level !== undefined) {
      throw new UserError(
        `Level ${level} was asked for; machine code cannot run here.`,
        "It needs x86-64 Linux, AVX2 and the optional package koffi. Use --level wasm.",
      );
    }
  }
  return (await import("./wasm.ts")).openWasm(options);
}
