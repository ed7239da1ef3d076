/** Memory of a device as another thread of this process sees it. */
import { UserError } from "../core/errors.ts";
import type { Device, Region } from "./device.ts";

/** What a thread is sent. */
export type ForeignMemory =
  | { readonly kind: "shared"; readonly buffer: SharedArrayBuffer; readonly offset: number; readonly bytes: number }
  | { readonly kind: "address"; readonly address: number; readonly bytes: number };

/** `undefined` for memory that only the thread which made it can reach. */
export function foreignMemory(device: Device, region: Region): ForeignMemory | undefined {
  const { buffer, offset, bytes, address } = region;
  if (device.machine) return { kind: "address", address, bytes };
  return buffer instanceof SharedArrayBuffer ? { kind: "shared", buffer, offset, bytes } : undefined;
}

/** It must not be used once the region is freed. */
export async function openMemory(memory: ForeignMemory): Promise<Uint8Array> {
  if (memory.kind === "shared") return new Uint8Array(memory.buffer, memory.offset, memory.bytes);
  try {
    const { default: koffi } = await import("koffi");
    return new Uint8Array(koffi.view(BigInt(memory.address), memory.bytes));
  } catch {
    throw new UserError("A thread was to copy from native memory; koffi, which reaches it, cannot be loaded there.");
  }
}
