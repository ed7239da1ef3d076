/** A cache that holds blocks of tensors and drops the one not used for longest, and two products in a row run through it. */
import { type ChainBytes, type ChainLoop, type ChainSizes, chainTensors } from "../compile/chain-movement.ts";

/** Bytes that come into or leave a cache of `capacity` when blocks are computed in this order; C is in registers. */
export function simulatedBytes(
  order: readonly ChainLoop[],
  sizes: ChainSizes,
  tiles: ChainSizes,
  bytes: ChainBytes,
  capacity: number,
): number {
  const held = new Map<string, number>();
  let [used, moved] = [0, 0];
  const touch = (tensor: (typeof chainTensors)[number], at: ChainSizes): void => {
    const key = `${tensor.name} ${tensor.loops.map((loop) => at[loop])}`;
    const size = bytes[tensor.name] * tensor.loops.reduce((n, loop) => n * Math.min(tiles[loop], sizes[loop]), 1);
    if (held.delete(key)) {
      held.set(key, size);
      return;
    }
    moved += size;
    used += size;
    held.set(key, size);
    for (const [other, freed] of held) {
      if (used <= capacity) break;
      held.delete(other);
      used -= freed;
    }
  };
  const walk = (depth: number, at: ChainSizes): void => {
    const loop = order[depth];
    if (loop === undefined) {
      const first = at.n === 0;
      const last = at.k === Math.ceil(sizes.k / tiles.k) - 1;
      for (const tensor of chainTensors) {
        if (tensor.of.includes("k") ? first : last) touch(tensor, at);
      }
      return;
    }
    for (let i = 0; i < Math.ceil(sizes[loop] / tiles[loop]); i++) walk(depth + 1, { ...at, [loop]: i });
  };
  walk(0, { m: 0, k: 0, l: 0, n: 0 });
  return moved;
}
