/** A device as what tensors need of it: memory, and graphs compiled and run. */
import { arrayScratchBytes, openArrays } from "../device/array-session.ts";
import type { Level } from "../device/device.ts";
import { openDeviceNow } from "../device/open.ts";
import type { Machine } from "./runtime.ts";

export function openMachine(level: Level | undefined, threads: number): Machine {
  const device = openDeviceNow(level, { threads, scratchBytes: arrayScratchBytes });
  return {
    name: `${device.level}, ${threads} threads`,
    alloc: (bytes) => device.alloc(bytes),
    free: (region) => device.free(region),
    open: (graph, donate) => openArrays(device, graph, { donate }),
    close: () => device.close(),
  };
}
