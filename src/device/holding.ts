/** Memory of what fails half way: a device whose regions that nobody has freed can be freed together. */
import type { Device, Region } from "./device.ts";

export function holding(device: Device): { readonly device: Device; freeAll(): void } {
  const held = new Map<number, Region>();
  return {
    device: {
      ...device,
      alloc(bytes) {
        const region = device.alloc(bytes);
        held.set(region.address, region);
        return region;
      },
      free(region) {
        held.delete(region.address);
        device.free(region);
      },
    },
    freeAll() {
      for (const region of held.values()) device.free(region);
      held.clear();
    },
  };
}
