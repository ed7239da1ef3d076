/** Runs single kernels on every level that this machine has, so that tests hold them against plain arithmetic. */
import type { TileProgram } from "../compile/tile.ts";
import { runOnce } from "../device/call-list.ts";
import type { Device, Level, Region } from "../device/device.ts";
import { levels, openDevice } from "../device/open.ts";

export const scratchBytes = 1 << 20;

/** Opens each level that can run here; the others are named in `missing`. */
export async function openLevels(): Promise<{
  readonly devices: Device[];
  readonly missing: readonly Level[];
}> {
  const devices: Device[] = [];
  const missing: Level[] = [];
  for (const level of levels) {
    try {
      devices.push(await openDevice(level, { threads: 2, scratchBytes }));
    } catch {
      missing.push(level);
    }
  }
  return { devices, missing };
}

export type Operand = Float32Array | Int32Array | Uint16Array | Uint8Array | Int8Array | number;

export interface Kernel {
  /**
   * Copies the operands in, runs over `items` in chunks, and copies what changed back into the arrays. The kernel gets each
   * array's address and what `offsets` adds to it, in bytes.
   */
  run(operands: readonly Operand[], items: number, chunk?: number, offsets?: readonly number[]): Promise<void>;
}

export function kernelOn(device: Device, program: TileProgram): Kernel {
  const [handle] = device.install([program]);
  return {
    async run(operands, items, chunk = 2, offsets = []) {
      const regions: (readonly [Exclude<Operand, number>, Region])[] = [];
      const args = operands.map((x, i) => {
        if (typeof x === "number") return x;
        const region = device.alloc(Math.max(64, x.byteLength));
        bytesOf(region, x.byteLength).set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
        regions.push([x, region]);
        return region.address + (offsets[i] ?? 0);
      });
      await runOnce(device, [{ kernel: handle!, args, items, chunk }]);
      for (const [x, region] of regions) {
        new Uint8Array(x.buffer, x.byteOffset, x.byteLength).set(bytesOf(region, x.byteLength));
        device.free(region);
      }
    },
  };
}

const bytesOf = (region: Region, bytes: number): Uint8Array => new Uint8Array(region.buffer, region.offset, bytes);
