/** Chooses a device: machine code where it can run, else WebAssembly; any level can be asked for by name. */
import { availableParallelism } from "node:os";
import { UserError } from "../core/errors.ts";
import type { Device, DeviceOptions, Level } from "./device.ts";
import { ExecutionRefused, type Refusal } from "./executable.ts";
import { openX64 } from "./native.ts";
import { openReference } from "./reference.ts";
import { openWasm } from "./wasm.ts";
import { threadsMax } from "./x64-driver.ts";

export const levels: readonly Level[] = ["x64-avx512", "x64-avx2", "wasm", "reference"];

/**
 * The best device that can be had where no level is asked for. `refused` is refused whatever the system allows: see
 * `openNative`.
 */
export async function openDevice(
  level: Level | undefined,
  options: DeviceOptions,
  refused: readonly Refusal[] = [],
): Promise<Device> {
  return openDeviceNow(level, options, refused);
}

/** The same while the caller waits. */
export function openDeviceNow(
  level: Level | undefined,
  options: DeviceOptions,
  refused: readonly Refusal[] = [],
): Device {
  if (options.threads > threadsMax) {
    throw new UserError(
      `${options.threads} threads were asked for; a device has at most ${threadsMax}.`,
      `This machine runs ${availableParallelism()} at once.`,
    );
  }
  if (level === "reference") return openReference(options);
  if (level === "wasm") return openWasm(options);
  try {
    const device = openX64(level, options, refused);
    if (device !== undefined) return device;
  } catch (error) {
    if (!(error instanceof ExecutionRefused) || level !== undefined) throw error;
    return { ...openWasm(options), note: "This system refuses executable memory; WebAssembly runs instead." };
  }
  if (level === undefined) return openWasm(options);
  throw new UserError(
    `Level ${level} was asked for; machine code cannot run here.`,
    "It needs x86-64 Linux, AVX2 and the optional package koffi. Use --level wasm.",
  );
}
