/**
 * A core of 512-bit vectors, modelled: what a tile of a matrix product takes on it. Tuners are compared on it because it is the
 * same everywhere and every time; what a tuner finds for a real machine is measured there.
 *
 * Cycles are the most that any unit needs, loop by loop; what comes from beyond the nearest cache comes meanwhile. Figures are
 * of a current server core, rounded.
 */
import type { LinearTile } from "../compile/schedule/linear.ts";
import type { Space } from "../compile/schedule/space.ts";
import type { Counts, PanelWork, ProgramWork } from "../compile/schedule/tile-work.ts";
import type { Seconds } from "../time/clock.ts";

const hertz = 3e9;
/** A cycle. */
const units = { products: 2, vectors: 4, memory: 2, stores: 1, instructions: 8 } as const;
/** Beyond so many instructions in a loop they are decoded each time anew, at half the rate. */
const decodedMax = 1500;
const cache = { nearest: 48 << 10, middle: 1 << 20 } as const;
/** Bytes a cycle. */
const rate = { middle: 32, last: 12, memory: 13 } as const;
/** Cycles to begin a tile, its loop's wrong guess at the end included. */
const tileStart = 30;

/** Of all calls of the task, one after the other. */
export function modelledSeconds(space: Space, tile: LinearTile): Seconds {
  const panels = Math.ceil(space.task.n / 32);
  const { instructions } = space.tileWork(tile);
  const cycles = space.task.tokens.reduce((sum, tokens) => {
    return sum + panelCycles(space.panelWork(tile, tokens), tile, tokens, instructions);
  }, 0);
  return (panels * cycles) / hertz;
}

function panelCycles(panel: PanelWork, tile: LinearTile, tokens: number, instructions: number): number {
  const { sourceBytes, panelBytes, parts, activationBytes } = panel;
  const width = instructions > decodedMax ? units.instructions / 2 : units.instructions;
  const memory = panelBytes / (rate.memory * (tile.nextPanel === 1 ? 1 : streaming(tile.prefetch)));
  // What is gone through between two visits of the same line.
  const kept = tile.order === "columns" ? sourceBytes / parts : sourceBytes;
  const source = transfer(kept + tile.rows * activationBytes);
  const activations = transfer(tokens * activationBytes + sourceBytes);
  let cycles = 0;
  for (const { rows, times, work } of panel.tiles) {
    const moved = (sourceBytes / parts) * source + rows * activationBytes * activations;
    cycles += times * (Math.max(programCycles(work, width), moved) + tileStart);
  }
  const unpacking = panel.unpacking === undefined ? 0 : programCycles(panel.unpacking, units.instructions);
  // Without being fetched before, what is unpacked is waited for: tiles cannot begin.
  const waited = panel.unpacking !== undefined && tile.nextPanel === 0;
  return waited ? Math.max(unpacking, memory) + cycles : Math.max(unpacking + cycles, memory);
}

/** Cycles a byte, from where data of this size stays. */
function transfer(bytes: number): number {
  if (bytes <= cache.nearest) return 0;
  return 1 / (bytes <= cache.middle ? rate.middle : rate.last);
}

/** The share of memory's rate that a stream reaches: hints come too late from near, and what comes too early is gone again. */
function streaming(prefetch: number): number {
  const timely = Math.min(1, prefetch / 4096);
  return (0.67 + 0.33 * timely) * (prefetch > 8192 ? 0.9 : 1);
}

function programCycles({ loops, once }: ProgramWork, width: number): number {
  return loops.reduce(
    (sum, { turns, counts, chain }) => sum + turns * Math.max(busiest(counts, width), chain),
    busiest(once, width),
  );
}

function busiest(c: Counts, width: number): number {
  const all = c.products + c.vectors + c.loads + c.stores + c.prefetches + c.integers;
  return Math.max(
    c.products / units.products,
    (c.products + c.vectors) / units.vectors,
    (c.loads + c.prefetches) / units.memory,
    c.stores / units.stores,
    all / width,
  );
}
