/** The inner loop of a tile: several steps over k in one turn, and what is left one by one. */
import type { LinearTile } from "../../schedule/linear.ts";
import type { Int } from "../../tile.ts";
import type { TileBuilder } from "../../tile-builder.ts";

export interface Inner extends Pick<LinearTile, "operand" | "unroll"> {
  /** Bytes ahead of the weights that are fetched into the cache. */
  readonly ahead: number;
}

/** Calls `write` for a loop body of `times` steps that begins at `offset`, which grows by `stride` a step. */
export function steps(
  b: TileBuilder,
  count: number,
  stride: number,
  unroll: number,
  write: (offset: Int, times: number) => void,
): void {
  const whole = Math.floor(count / unroll) * unroll;
  if (whole > 0) b.for(0, whole * stride, unroll * stride, (offset) => write(offset, unroll));
  if (whole < count) b.for(whole * stride, count * stride, stride, (offset) => write(offset, 1));
}
