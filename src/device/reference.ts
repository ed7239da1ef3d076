/** The reference device: kernels as plain JavaScript on this thread, over one buffer. For tests and small models. */

import { type ReferenceKernel, renderReference } from "../compile/render/reference.ts";
import type { Target } from "../compile/tile.ts";
import { assert, UserError } from "../core/errors.ts";
import { Allocator } from "./allocator.ts";
import { type Device, type DeviceOptions, type Region, record } from "./device.ts";

export const referenceTarget: Target = {
  lanes: 16,
  registers: 30,
  dot4: true,
  dotBf16: true,
  fetchInto: 1,
  repeated: "register",
};
const bytesMax = 2 ** 30;

export function openReference({ scratchBytes }: DeviceOptions): Device {
  const heap = new Allocator((bytes) => {
    if (bytes <= bytesMax) return;
    throw new UserError(
      `The reference level has ${bytesMax / 2 ** 20} MiB of memory; ${Math.ceil(bytes / 2 ** 20)} MiB are needed.`,
      "It is for tests and small models; use another --level.",
    );
  });
  const buffer = new ArrayBuffer(bytesMax);
  const memory = new DataView(buffer);
  const scratch = heap.alloc(scratchBytes);
  const kernels: ReferenceKernel[] = [];
  const call = (records: Region, i: number): void => {
    const at = records.address + i * record.stride;
    const kernel = kernels[memory.getUint32(at + record.kernel, true)];
    assert(kernel !== undefined, () => `record ${i} has no kernel`);
    const [begin, end] = [memory.getInt32(at + record.counter, true), memory.getInt32(at + record.items, true)];
    kernel(memory, memory.getUint32(at + record.args, true), begin, end, scratch);
  };
  return {
    level: "reference",
    target: referenceTarget,
    threads: 1,
    scratchBytes,
    machine: false,
    alloc(bytes) {
      const address = heap.alloc(bytes);
      new Uint8Array(buffer, address, bytes).fill(0);
      return { address, bytes, buffer, offset: address };
    },
    free: (region) => heap.free(region.address),
    render: ({ name }) => ({ name, code: new Uint8Array(0) }),
    install: (programs) =>
      programs.map((p) => {
        assert("body" in p, () => `${p.name}: the reference runs tile programs`);
        return kernels.push(renderReference(p)) - 1;
      }),
    async run(records, count) {
      for (let i = 0; i < count; i++) call(records, i);
    },
    runNow(records, count) {
      for (let i = 0; i < count; i++) call(records, i);
    },
    async timedRun(records, count) {
      const now = (): number => performance.now() / 1000;
      const start = now();
      return Array.from({ length: count }, (_, i) => {
        const begin = now() - start;
        call(records, i);
        const end = now() - start;
        return { record: i, thread: 0, begin, worked: end, end };
      });
    },
    close: async () => {},
  };
}
