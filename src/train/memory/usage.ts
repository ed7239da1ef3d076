/** How many bytes a step holds at each unit, when everything is kept from where it is made to its last use. */
import type { MemoryView, TensorId, UnitId } from "../memory.ts";

/** From the first unit at which a tensor is held to the last. */
export function lifetime({ tensors, units }: MemoryView, id: TensorId): readonly [UnitId, UnitId] {
  const { producer, uses, output } = tensors[id]!;
  const outlasts = producer === undefined || output;
  return [producer ?? 0, outlasts ? units.length - 1 : Math.max(producer ?? 0, ...uses)];
}

/** By unit. A tensor that replaces another takes no more than that one. */
export function usage(view: MemoryView): number[] {
  const bytes = view.units.map((u) => u.workspaceBytes);
  for (const [id, tensor] of view.tensors.entries()) {
    if (tensor.replaces !== undefined) continue;
    const [from, to] = lifetime(view, id);
    for (let u = from; u <= to; u++) bytes[u]! += tensor.bytes;
  }
  return bytes;
}

/** What the largest unit touches: no plan takes less. */
export const largestUnit = ({ units, tensors }: MemoryView): number =>
  Math.max(...units.map((u) => [...new Set([...u.reads, ...u.writes])].reduce((sum, t) => sum + tensors[t]!.bytes, 0)));
