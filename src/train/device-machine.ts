/** A device as what a training runs its graphs on. */
import { openArrays } from "../device/array-session.ts";
import type { Device } from "../device/device.ts";
import type { ArrayMachine } from "./machine.ts";

/** The device stays the caller's. */
export const deviceMachine = (device: Device): ArrayMachine => ({
  alloc: (bytes) => device.alloc(bytes),
  free: (region) => device.free(region),
  open: (graph, donate) => openArrays(device, graph, { donate }),
});
