/** Chooses a device: machine code where it can run, else WebAssembly; any level can be asked for by name. */
import { UserError } from "../core/errors.ts";
import type { Device, DeviceOptions, Level } from "./device.ts";
import { ExecutionRefused, type Refusal } from "./executable.ts";

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
  if (level === "reference") return (await import("./reference.ts")).openReference(options);
  const webAssembly = async (): Promise<Device> => (await import("./wasm.ts")).openWasm(options);
  if (level === "wasm") return webAssembly();
  const { openX64 } = await import("./native.ts");
  try {
    const device = await openX64(level, options, refused);
    if (device !== undefined) return device;
  } catch (error) {
    if (!(error instanceof ExecutionRefused) || level !== undefined) throw error;
    return { ...(await webAssembly()), note: "This system refuses executable memory; WebAssembly runs instead." };
  }
  if (level === undefined) return webAssembly();
  throw new UserError(
    `Level ${level} was asked for; machine code cannot run here.`,
    "It needs x86-64 Linux, AVX2 and the optional package koffi. Use --level wasm.",
  );
}
