/**
 * The inner part of a correlation: sums of `pixels` × `vectors` of channels in registers, over taps and channels in order.
 * A weight vector serves all pixels, an element of the source (repeated in all lanes) all vectors.
 */
import type { F32, F32Operand, I32, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder, vector } from "../../tile-builder.ts";
import { repeat } from "./stage.ts";

/** How many taps there are and how far apart in the stage, in bytes; each tap is `run` elements that follow each other. */
export interface Taps {
  readonly rows: number;
  readonly rowBytes: number;
  readonly columns: number;
  readonly columnBytes: number;
  readonly run: number;
}

/**
 * What an element is: `f32` alone; `swapped` f32 that stand for pairs of bf16, whose second is added first as a product of pairs
 * does; `pairs` of bf16; or `lanes`: a vector of channels, each its own group.
 */
export type Elements = "f32" | "swapped" | "pairs" | "lanes";

export interface Tile {
  readonly elements: Elements;
  readonly vectors: number;
  /** Where in the stage each pixel begins, in bytes, relative to the first. */
  readonly pixels: readonly number[];
  readonly taps: Taps;
}

/** Products that are written out before a loop is. */
const unrolledMax = 200;

/** Adds a tile whose first pixel is at `x`, its weights at `w`, to `sums` [pixel][vector]. */
export function sumTile(b: TileBuilder, tile: Tile, sums: readonly F32[][], x: Int, w: Int): void {
  const { taps } = tile;
  const [row, weights] = [b.int(x), b.int(w)];
  const single = taps.rows === 1 && taps.columns === 1;
  repeat(b, taps.columns === 0 ? 0 : taps.rows, () => {
    const column = single ? row : b.int(row);
    repeat(b, taps.columns, () => {
      sumRun(b, tile, sums, single ? column : b.int(column), weights);
      if (taps.columns > 1) b.add(column, taps.columnBytes, column);
    });
    if (taps.rows > 1) b.add(row, taps.rowBytes, row);
  });
}

/** One run, from `x` and `w` on; both may be moved, and `w` is left at the next run's weights. */
function sumRun(b: TileBuilder, tile: Tile, sums: readonly F32[][], x: Int, w: Int): void {
  const { elements, vectors, pixels, taps } = tile;
  const pair = elements === "pairs" || elements === "swapped";
  const steps = elements === "pairs" ? taps.run / 2 : taps.run;
  const weightBytes = vectors * b.target.lanes * 4;
  const products = vectors * pixels.length;
  const order = (n: number): number => (elements === "swapped" ? n ^ 1 : n);
  const write = (count: number): void => {
    for (let n = 0; n < count; n++) step(b, tile, sums, x, w, order(n));
  };
  const advance = (count: number): void => {
    b.add(x, count * 4, x);
    b.add(w, count * weightBytes, w);
  };
  if (steps * products <= unrolledMax) {
    write(steps);
    b.add(w, steps * weightBytes, w);
    return;
  }
  const least = products >= 12 ? 4 : 8;
  const unroll = steps % 3 === 0 && least === 4 && steps % 4 !== 0 && !pair ? 3 : least;
  repeat(b, Math.floor(steps / unroll), () => {
    write(unroll);
    advance(unroll);
  });
  if (steps % unroll === 0) return;
  write(steps % unroll);
  b.add(w, (steps % unroll) * weightBytes, w);
}

/** Element n of the run from `x` on. */
function step(b: TileBuilder, tile: Tile, sums: readonly F32[][], x: Int, w: Int, n: number): void {
  const { elements, vectors, pixels } = tile;
  const width = b.target.lanes * 4;
  const places = Array.from({ length: vectors }, (_, i) => at(w, (n * vectors + i) * width));
  if (elements === "pairs") {
    const weights = places.map((place) => b.loadI(place));
    for (const [p, offset] of pixels.entries()) {
      const from = at(x, offset + 4 * n);
      const value: I32 | undefined = vectors > 1 ? b.broadcastI(from) : undefined;
      for (const [i, weight] of weights.entries()) b.dotBf16(sums[p]![i]!, weight, value ?? broadcast(from));
    }
    return;
  }
  const weights = places.map((place) => b.loadF(place));
  for (const [p, offset] of pixels.entries()) {
    const from = at(x, offset + 4 * n);
    const shared: F32 | undefined = elements !== "lanes" && vectors > 1 ? b.broadcastF(from) : undefined;
    for (const [i, weight] of weights.entries()) {
      const value: F32Operand = elements === "lanes" ? vector(at(x, offset + i * width)) : (shared ?? broadcast(from));
      b.fma(sums[p]![i]!, weight, value);
    }
  }
}
