/** Everything that the kernels of one product know of it. */
import type { Int, Target } from "../../tile.ts";
import type { TileBuilder } from "../../tile-builder.ts";
import type { MatmulPlan } from "./plan.ts";
import { bytesOf, type MatmulOperand, type MatmulShape, type Tiling, tilingOf, type Words, wordsOf } from "./shape.ts";
import type { Source } from "./words.ts";

export interface Parts {
  readonly target: Target;
  readonly shape: MatmulShape;
  readonly plan: MatmulPlan;
  readonly words: Words;
  readonly tiling: Tiling;
  /** Columns of a panel, panels, and columns of the last one where it is narrower. */
  readonly width: number;
  readonly panels: number;
  readonly edge: number;
  readonly panelBytes: number;
}

export function partsOf(target: Target, shape: MatmulShape, plan: MatmulPlan): Parts {
  const words = wordsOf(target, shape);
  const width = plan.vectors * target.lanes;
  return {
    target,
    shape,
    plan,
    words,
    tiling: tilingOf(shape.m, plan.rows),
    width,
    panels: Math.ceil(shape.n / width),
    edge: shape.n % width,
    // Of bytes, behind the words, an i32 a column.
    panelBytes: (words.count + (words.kind === "quads" ? 1 : 0)) * width * 4,
  };
}

export const sourceOf = (operand: MatmulOperand): Source => ({
  type: operand.type ?? "f32",
  rowBytes: operand.stride * bytesOf(operand),
});

export function nameOf({ shape }: Parts): string {
  const { m, n, k, a, b, arithmetic = "f32", batch = 1 } = shape;
  const sides = `${a.transposed ? "t" : "n"}${b.transposed ? "t" : "n"}`;
  return `${arithmetic}-${sides}-${batch > 1 ? `${batch}x` : ""}${m}x${n}x${k}`;
}

/** Calls `write` with how many columns each vector of panel `index` has. */
export function eachWidth(
  { target, plan, panels, edge }: Parts,
  b: TileBuilder,
  index: Int,
  write: (counts: readonly number[]) => void,
): void {
  const full = (): void => write(Array.from({ length: plan.vectors }, () => target.lanes));
  if (edge === 0) return full();
  const last = (): void => write(edgeCounts(edge, target.lanes));
  if (panels === 1) return last();
  b.if(index, "lt", panels - 1, full, last);
}

const edgeCounts = (edge: number, lanes: number): readonly number[] =>
  Array.from({ length: Math.ceil(edge / lanes) }, (_, v) => Math.min(lanes, edge - v * lanes));

/** Tiles `from` … `to`, all of a height in one loop. */
export function eachHeight(
  b: TileBuilder,
  { count, height, tall }: Tiling,
  from: Int,
  to: Int,
  write: (tile: Int, row: Int, rows: number) => void,
): void {
  b.for(from, tall === count ? to : b.min(to, tall), 1, (t) => write(t, b.mul(t, height), height));
  if (tall === count) return;
  b.for(b.max(from, tall), to, 1, (t) => write(t, b.add(b.mul(t, height - 1), tall), height - 1));
}

/** The first row of a tile. */
export function rowOf(b: TileBuilder, { count, height, tall }: Tiling, tile: Int): Int {
  if (tall === count) return b.mul(tile, height);
  return b.add(b.mul(tile, height - 1), b.min(tile, tall));
}
