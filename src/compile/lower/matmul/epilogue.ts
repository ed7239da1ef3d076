/** What is done to sums before they are stored. */
import type { F32, I32, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder, vector } from "../../tile-builder.ts";

/** With parameters of its own, behind those of the product. */
export interface Epilogue {
  readonly parameters: number;
  /** Tells kernels apart. */
  readonly name: string;
  /** Called for a tile: what gives a sum's result. Of int8 it gets scaled sums only. */
  begin(b: TileBuilder, tile: EpilogueTile): (sum: F32, row: number, vector: number) => F32;
}

export interface EpilogueTile {
  readonly parameters: readonly Int[];
  /** Of a batch, from 0. */
  readonly matrix: Int;
  /** The first row and column of C that the tile computes. */
  readonly row: Int;
  readonly column: Int;
  /** How many columns each of its vectors has: all lanes, or fewer in the last of a matrix, behind which nothing may be read. */
  readonly counts: readonly number[];
}

/** Where the f32 scales of the tile's first row and first column are. */
export interface Scales {
  readonly rows: Int;
  readonly columns: Int;
}

/** Integers as f32, times the scales of their row and column. */
export function scaled(
  b: TileBuilder,
  { rows, columns }: Scales,
  counts: readonly number[],
): (sum: I32, row: number, vector: number) => F32 {
  const { lanes } = b.target;
  const loaded = counts.map((count, v) => {
    const place = at(columns, v * lanes * 4);
    return count < lanes ? b.loadPartF(place, count) : undefined;
  });
  return (sum, r, v) => {
    const ofRow = b.fmul(b.toF32(sum), broadcast(at(rows, 4 * r)));
    return b.fmul(ofRow, loaded[v] ?? vector(at(columns, v * lanes * 4)));
  };
}
