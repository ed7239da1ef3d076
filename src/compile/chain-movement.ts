/**
 * How much two products in a row move, A [M, K] · B [K, L] = C, C · D [L, N] = E, when they are computed block by block and C
 * stays in the nearest memory: Chimera's analytical model (HPCA 2023, §4.1, algorithm 1).
 */
export type ChainLoop = "m" | "k" | "l" | "n";
export type ChainSizes = Readonly<Record<ChainLoop, number>>;

/** Bytes of an element of each tensor. */
export interface ChainBytes {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
}

interface Tensor {
  readonly name: "a" | "b" | "d" | "e";
  readonly loops: readonly ChainLoop[];
  /** Loops of the product that it belongs to: those of the other alone do not move it. */
  readonly of: readonly ChainLoop[];
}

export const chainTensors: readonly Tensor[] = [
  { name: "a", loops: ["m", "k"], of: ["m", "l", "k"] },
  { name: "b", loops: ["k", "l"], of: ["m", "l", "k"] },
  { name: "d", loops: ["l", "n"], of: ["m", "l", "n"] },
  { name: "e", loops: ["m", "n"], of: ["m", "l", "n"] },
];

/** The orders of blocks, outermost first. C is whole when it is used: k lies within m and l, and so does n. */
export const chainOrders: readonly (readonly ChainLoop[])[] = [
  ["m", "l", "k", "n"],
  ["l", "m", "k", "n"],
];

/** Bytes between memory and the cache. */
export function movedBytes(
  order: readonly ChainLoop[],
  sizes: ChainSizes,
  tiles: ChainSizes,
  bytes: ChainBytes,
): number {
  const blocks = (loop: ChainLoop): number => Math.ceil(sizes[loop] / tiles[loop]);
  return chainTensors.reduce((sum, { name, loops, of }) => {
    let moved = bytes[name] * loops.reduce((n, loop) => n * Math.min(tiles[loop], sizes[loop]), 1);
    let reused = true;
    for (const loop of order.toReversed()) {
      // A loop of one block does not move anything on.
      if (!of.includes(loop) || blocks(loop) === 1) continue;
      if (loops.includes(loop)) reused = false;
      if (!reused) moved *= blocks(loop);
    }
    return sum + moved;
  }, 0);
}

/** Bytes of the blocks that are in the cache at a time. */
export function heldBytes(tiles: ChainSizes, bytes: ChainBytes): number {
  const { m, k, l, n } = tiles;
  return m * k * bytes.a + k * l * bytes.b + m * l * bytes.c + l * n * bytes.d + m * n * bytes.e;
}

export interface ChainChoice {
  readonly order: readonly ChainLoop[];
  readonly tiles: ChainSizes;
  readonly moved: number;
}

/** The order and the blocks that move least, of those that fit `capacity`; `tiles` gives the candidates of each loop. */
export function bestChain(
  sizes: ChainSizes,
  bytes: ChainBytes,
  capacity: number,
  candidates: Readonly<Record<ChainLoop, readonly number[]>>,
): ChainChoice | undefined {
  let best: ChainChoice | undefined;
  for (const m of candidates.m)
    for (const k of candidates.k)
      for (const l of candidates.l)
        for (const n of candidates.n) {
          const tiles = { m, k, l, n };
          if (heldBytes(tiles, bytes) > capacity) continue;
          for (const order of chainOrders) {
            const moved = movedBytes(order, sizes, tiles, bytes);
            if (best === undefined || moved < best.moved) best = { order, tiles, moved };
          }
        }
  return best;
}
