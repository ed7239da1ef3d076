/** Runs an operation that was lowered to several calls, on one level. */
import type { Lowered } from "../compile/lower/lowered.ts";
import { runOnce } from "../device/call-list.ts";
import type { Device, Region } from "../device/device.ts";

/** Copies the inputs in and gives `output` what the calls leave there. Memory that nobody wrote holds NaN before. */
export async function runLowered(
  device: Device,
  lowered: Lowered,
  inputs: readonly (Float32Array | Int32Array | Uint16Array)[],
  output: Float32Array | Int32Array | Uint16Array,
): Promise<void> {
  const regions: Region[] = [];
  const region = (bytes: number): Uint8Array & { address?: number } => {
    const made = device.alloc(Math.max(64, bytes));
    regions.push(made);
    return new Uint8Array(made.buffer, made.offset, bytes);
  };
  for (const x of inputs) region(x.byteLength).set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
  const made = region(output.byteLength).fill(0xff);
  for (const bytes of lowered.temporaries) region(bytes).fill(0xff);
  const handles = device.install(lowered.calls.map(({ program }) => program));
  await runOnce(
    device,
    lowered.calls.map(({ args, items }, i) => ({
      ...{ kernel: handles[i]!, items, chunk: 1, barrier: true },
      args: args.map((n) => regions[n]!.address),
    })),
  );
  new Uint8Array(output.buffer, output.byteOffset, output.byteLength).set(made);
  for (const used of regions) device.free(used);
}
