/** Runs graphs of arrays on a device, on plain typed arrays. */

import { type ArraySessionOptions, openArrays } from "../device/array-session.ts";
import type { Device, Region } from "../device/device.ts";
import { type ArrayGraph, bytesOfType, sizeOf } from "../graph/array.ts";
import type { ArrayData } from "./array-oracle.ts";

const arrays = { f32: Float32Array, i32: Int32Array, bf16: Uint16Array } as const;

/** The outputs of one run; memory behind each array is checked to be as it was. */
export async function runArrays(
  device: Device,
  graph: ArrayGraph,
  inputs: Readonly<Record<string, ArrayData>>,
  options: ArraySessionOptions & { readonly now?: boolean } = {},
): Promise<Record<string, ArrayData>> {
  const session = openArrays(device, graph, options);
  const regions: Record<string, Region> = {};
  const guard = 64;
  const alloc = (name: string, bytes: number): Region => {
    const region = device.alloc(bytes + guard);
    new Uint8Array(region.buffer, region.offset, region.bytes).fill(0xa5);
    regions[name] = region;
    return region;
  };
  for (const node of graph.nodes) {
    if (node.op.kind !== "input") continue;
    const data = inputs[node.op.name]!;
    const region = alloc(node.op.name, data.byteLength);
    new Uint8Array(region.buffer, region.offset).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const types = Object.entries(graph.outputs).map(([name, id]) => {
    const { type } = graph.nodes.find((node) => node.id === id)!;
    return { name, type, bytes: sizeOf(type.shape) * bytesOfType[type.dtype] };
  });
  for (const { name, bytes } of types) if (!(name in (options.donate ?? {}))) alloc(name, bytes);
  if (options.now) session.runNow(regions);
  else await session.run(regions);
  const results: Record<string, ArrayData> = {};
  for (const { name, type, bytes } of types) {
    const region = regions[options.donate?.[name] ?? name]!;
    results[name] = new arrays[type.dtype](new Uint8Array(region.buffer, region.offset, bytes).slice().buffer);
  }
  for (const [name, region] of Object.entries(regions)) {
    const behind = new Uint8Array(region.buffer, region.offset + region.bytes - guard, guard);
    if (behind.some((x) => x !== 0xa5)) throw new Error(`memory behind ${name} was written`);
    device.free(region);
  }
  session.close();
  return results;
}
