/** A few kernels on a device, launched in order: what a step of a model is, without the model. */
import type { TileProgram } from "../compile/tile.ts";
import { type Device, type Region, record } from "../device/device.ts";

export interface Launch {
  readonly program: TileProgram;
  /** Addresses of regions, and counts. */
  readonly args: readonly (Region | number)[];
  readonly items: number;
}

/** As `bind` divides a call: enough chunks to even out, few enough to be cheap. */
const claims = 8;

/** Each launch waits for the one before. Equal programs are installed once. Its memory lasts as long as the device. */
export function prepare(device: Device, launches: readonly Launch[]): { run(): Promise<void> } {
  const programs = [...new Set(launches.map((l) => l.program))];
  const handles = device.install(programs);
  const total = launches.reduce((n, l) => n + l.args.length, 0);
  const args = device.alloc(Math.max(64, 8 * total));
  const records = device.alloc(launches.length * record.stride);
  const words = new DataView(args.buffer, args.offset, args.bytes);
  const list = new DataView(records.buffer, records.offset, records.bytes);
  let next = 0;
  for (const [i, launch] of launches.entries()) {
    const at = i * record.stride;
    list.setBigUint64(at + record.kernel, BigInt(handles[programs.indexOf(launch.program)]!), true);
    list.setBigUint64(at + record.args, BigInt(args.address + next), true);
    list.setInt32(at + record.items, launch.items, true);
    list.setInt32(at + record.chunk, Math.max(1, Math.floor(launch.items / (device.threads * claims))), true);
    list.setInt32(at + record.barrier, 1, true);
    for (const argument of launch.args) {
      const word = typeof argument === "number" ? argument : argument.address;
      words.setBigUint64(next, BigInt(word), true);
      next += 8;
    }
  }
  return {
    async run() {
      for (let i = 0; i < launches.length; i++) list.setInt32(i * record.stride + record.counter, 0, true);
      await device.run(records, launches.length);
    },
  };
}
