/** A few kernels on a device, launched in order: what a step of a model is, without the model. */
import type { TileProgram } from "../compile/tile.ts";
import { callList, chunkOf, evenClaims } from "../device/call-list.ts";
import type { Device, Region } from "../device/device.ts";

export interface Launch {
  readonly program: TileProgram;
  /** Addresses of regions, and counts. */
  readonly args: readonly (Region | number)[];
  readonly items: number;
  /** What one thread would take, as a launch policy estimates; without, items are taken to be of unequal length. */
  readonly seconds?: number;
}

/** Each launch waits for the one before. Equal programs are installed once. Its memory lasts as long as the device. */
export function prepare(device: Device, launches: readonly Launch[]): { run(): Promise<void> } {
  const programs = [...new Set(launches.map((l) => l.program))];
  const handles = device.install(programs);
  return callList(
    device,
    launches.map(({ program, args, items, seconds }) => ({
      kernel: handles[programs.indexOf(program)]!,
      args: args.map((a) => (typeof a === "number" ? a : a.address)),
      items,
      ...(seconds === undefined ? { chunk: chunkOf(device, items) } : evenClaims(device.threads, items, seconds)),
      barrier: true,
    })),
  );
}
