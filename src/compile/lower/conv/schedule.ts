/** How a correlation is divided into tiles of registers and bands of rows: chosen by counting, nothing of it changes a bit. */
import type { Target } from "../../tile.ts";
import { type Correlation, stretchOf } from "./geometry.ts";

export interface ConvSchedule {
  /** Vectors of result channels in a tile. */
  readonly vectors: number;
  /** Pixels of a tile; more than one row only where a tile spans all columns. */
  readonly rows: number;
  readonly columns: number;
  /** Rows of outputs that are computed from one stage. */
  readonly band: number;
}

/** A stage that leaves half of a nearest cache to weights. */
const stageBytesWanted = 24 * 1024;

/** Sums that registers hold beside what a step needs. V8 keeps no more than eight of them in registers. */
export function sumsMax(target: Target, vectors: number): number {
  if (target.lanes === 4) return 8;
  return target.registers - vectors - (vectors > 1 ? 1 : 0);
}

/** Cycles of a step, halved: two products or two loads at a time, and a sum is ready for its next product after four. */
export const stepCost = (pixels: number, vectors: number): number =>
  pixels === 0 ? 0 : Math.max(pixels * vectors, pixels + vectors, 8) + 0.5;

export function chooseSchedule(target: Target, c: Correlation): ConvSchedule {
  const rows = Math.max(...c.rows.map((a) => a.outputs));
  const columns = Math.max(...c.columns.map((a) => a.outputs));
  const all = Math.ceil(c.outer / target.lanes);
  let best: Omit<ConvSchedule, "band"> = { vectors: 1, rows: 1, columns: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (const vectors of [1, 2, 3, 4]) {
    if (all % vectors !== 0) continue;
    const most = Math.floor(sumsMax(target, vectors) / vectors);
    for (let width = 1; width <= Math.min(most, columns); width++) {
      const high = width === columns ? Math.min(rows, Math.floor(most / width)) : 1;
      const across = Math.floor(columns / width) * stepCost(width * high, vectors) + stepCost(columns % width, vectors);
      const down = (Math.floor(rows / high) + (rows % high) * 0.8) / rows;
      const cost = (across * down * all) / vectors;
      if (cost < least) [least, best] = [cost, { vectors, rows: high, columns: width }];
    }
  }
  return { ...best, band: bandOf(c, rows, best.rows) };
}

/** Bands of equal height whose stages are near the wanted size, in whole tiles. */
export function bandOf(c: Correlation, rows: number, tileRows: number): number {
  const rowBytes = stretchOf(c.columns, Number.POSITIVE_INFINITY).extent * c.source.channels * 4;
  const fits = (n: number): boolean => stretchOf(c.rows, n).extent * rowBytes <= stageBytesWanted;
  let band = rows;
  while (band > Math.min(rows, Math.max(tileRows, 4)) && !fits(band)) band--;
  const even = Math.ceil(rows / Math.ceil(rows / band));
  return Math.min(rows, Math.ceil(even / tileRows) * tileRows);
}
