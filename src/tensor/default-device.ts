/** The device that tensors are on: opened when the first is made, or chosen before. */
import { availableParallelism } from "node:os";
import type { Level } from "../device/device.ts";
import { context } from "./context.ts";
import { openMachine } from "./machine.ts";
import { Runtime } from "./runtime.ts";
import type { MemoryUse } from "./storage.ts";

export interface DeviceChoice {
  /** As many as the machine has cores by default. */
  readonly threads?: number;
  readonly level?: Level;
}

/** Closes the device in use, with every tensor on it, and opens the one asked for. */
export async function device({ threads = availableParallelism(), level }: DeviceChoice = {}): Promise<void> {
  const before = context.runtime;
  context.runtime = undefined;
  await before?.close();
  context.runtime = new Runtime(openMachine(level, threads));
}

/** The device in use, opened if none is. */
export function defaultRuntime(): Runtime {
  context.runtime ??= new Runtime(openMachine(undefined, availableParallelism()));
  return context.runtime;
}

/** What tensors hold on the device. */
export const memory = (): MemoryUse => defaultRuntime().memory;
