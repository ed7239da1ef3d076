/** Runs calls that are not part of a program, such as packing: records and parameters live as long as the run. */
import { type Device, record } from "./device.ts";

export interface OneCall {
  readonly kernel: number;
  readonly args: readonly number[];
  readonly items: number;
}

/** All calls in one launch, none waiting for another. */
export async function runOnce(device: Device, calls: readonly OneCall[]): Promise<void> {
  if (calls.length === 0) return;
  const records = device.alloc(calls.length * record.stride);
  const parameters = device.alloc(calls.reduce((n, c) => n + c.args.length, 0) * 8);
  const launch = new DataView(records.buffer, records.offset, records.bytes);
  const words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
  let next = 0;
  for (const [i, { kernel, args, items }] of calls.entries()) {
    const at = i * record.stride;
    launch.setBigUint64(at + record.kernel, BigInt(kernel), true);
    launch.setBigUint64(at + record.args, BigInt(parameters.address + next), true);
    launch.setInt32(at + record.items, items, true);
    launch.setInt32(at + record.chunk, 1, true);
    for (const x of args) {
      words.setBigUint64(next, BigInt(x), true);
      next += 8;
    }
  }
  try {
    await device.run(records, calls.length);
  } finally {
    device.free(records);
    device.free(parameters);
  }
}
