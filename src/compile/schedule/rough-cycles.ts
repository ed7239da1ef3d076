/** What a core is taken for before anything was measured on it: a few units and bytes a cycle, of no machine in particular. */
import type { Counts, ProgramWork } from "./tile-work.ts";

export const roughCore = {
  products: 2,
  loads: 2,
  instructions: 6,
  nearestBytes: 32 << 10,
  /** Bytes a cycle from the next cache, and from memory. */
  middle: 32,
  memory: 12,
} as const;

/** Cycles of the busiest unit, loop by loop. */
export function roughCycles({ loops, once }: ProgramWork): number {
  return loops.reduce((sum, { turns, counts, chain }) => sum + turns * Math.max(busiest(counts), chain), busiest(once));
}

function busiest(c: Counts): number {
  const all = c.products + c.vectors + c.loads + c.stores + c.prefetches + c.integers;
  return Math.max(c.products / roughCore.products, c.loads / roughCore.loads, all / roughCore.instructions);
}
