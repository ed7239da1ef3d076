/**
 * Matrix products with packed weights: out [T, N] = x [T, K] · wᵀ (+ bias).
 *
 * A vector holds output rows of a panel at one k, and each activation is repeated in all lanes. So a result is one chain
 * over k in order, the same whatever the number of tokens, the tile or the thread: rows are equal bit for bit however they
 * are batched, and whatever schedule is chosen. A work item is a panel of 32 output rows for all tokens.
 *
 *     tokens ≤ `direct` ─► tiles read packed codes         (memory-bound: every byte of the panel once)
 *     else ──► the panel is unpacked into scratch ──► tiles read bytes      (compute-bound: unpacking is paid once)
 */
import { blockFormats, panelRows } from "../block-format.ts";
import { narrowRowBytes, quantLayout, rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import { defaultSchedule, type LinearSchedule } from "../schedule/linear.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder, vector } from "../tile-builder.ts";
import { blockTile } from "./linear/blocks.ts";
import { bf16Tile, f32Tile } from "./linear/floats.ts";
import { stagedBlocks, unpackPanel } from "./linear/unpack.ts";

export interface LinearShape {
  readonly n: number;
  readonly k: number;
  readonly bias: boolean;
}

/** Adds up `rows` tokens from `x` on against the panel's vectors that begin at the byte offsets `columns`. */
export type Tile = (panel: Int, columns: readonly number[], x: Int, rows: number) => F32[][];

/** Bytes between the activation rows that a product reads. */
export function activationBytes(format: WeightFormat, k: number, target: Target): number {
  if (format.kind === "blocks") return quantLayout(k, target.dot4).rowBytes;
  return format.kind === "bf16" ? narrowRowBytes(k, target.dotBf16) : rowFloats(k) * 4;
}

/** Scratch that a thread needs to unpack a panel. */
export const linearScratch = (format: WeightFormat, k: number): number =>
  format.kind === "blocks" ? stagedBlocks(blockFormats[format.type], k).bytes : 0;

/** Parameters: weights, x (as `activationBytes` says: f32, bf16 or quantised), tokens, (bias,) out. */
export function lowerLinear(
  target: Target,
  format: WeightFormat,
  shape: LinearShape,
  schedule: LinearSchedule = defaultSchedule(target, format, shape),
): TileProgram {
  const b = new TileBuilder(target);
  const [w, x, tokens] = [b.param(), b.param(), b.param()];
  const bias = shape.bias ? b.param() : undefined;
  const out = b.param();
  const { panelBytes } = weightLayout(format, shape.n, shape.k);
  b.for(b.begin, b.end, 1, (item) => {
    const panel = b.add(w, b.mul(item, panelBytes));
    const column = b.shl(item, 7);
    const emit: EmitTile = (tile, source, columns, token, rows) => {
      const from = b.add(x, b.mul(token, activationBytes(format, shape.k, target)));
      const outBytes = rowFloats(shape.n) * 4;
      const to = b.add(b.add(out, b.mul(token, outBytes)), column);
      for (const [r, row] of tile(source, columns, from, rows).entries()) {
        for (const [i, sum] of row.entries()) {
          if (bias !== undefined) b.fadd(sum, vector(at(bias, columns[i]!, column)), sum);
          b.store(at(to, r * outBytes + columns[i]!), sum);
        }
      }
    };
    lowerItem(b, format, shape.k, schedule, panel, tokens, emit);
  });
  return b.finish(`linear-${format.kind === "blocks" ? format.type : format.kind}-${shape.n}x${shape.k}`);
}

type EmitTile = (tile: Tile, source: Int, columns: readonly number[], token: Int, rows: number) => void;

function lowerItem(
  b: TileBuilder,
  format: WeightFormat,
  k: number,
  schedule: LinearSchedule,
  panel: Int,
  tokens: Int,
  emit: EmitTile,
): void {
  const { tile, direct, prefetch } = schedule;
  if (format.kind !== "blocks") {
    const float: Tile = (source, columns, x, rows) =>
      (format.kind === "f32" ? f32Tile : bf16Tile)(b, k, source, columns, x, rows, prefetch);
    return tiles(b, panel, tokens, sizes(tile.rows), vectorsOf(b.target, tile.vectors), float, emit);
  }
  const f = blockFormats[format.type];
  const packed: Tile = (source, columns, x, rows) => blockTile(b, f, k, source, columns, x, rows, prefetch);
  if (tile.stage === 0) {
    return tiles(b, panel, tokens, sizes(tile.rows), vectorsOf(b.target, tile.vectors), packed, emit);
  }
  b.if(
    tokens,
    "le",
    direct.until,
    () => tiles(b, panel, tokens, sizes(direct.rows), vectorsOf(b.target, direct.vectors), packed, emit),
    () => {
      const staged = stagedBlocks(f, k);
      unpackPanel(b, f, k, panel, b.scratch);
      const bytes: Tile = (source, columns, x, rows) => blockTile(b, staged.format, k, source, columns, x, rows, 0);
      tiles(b, b.scratch, tokens, sizes(tile.rows), vectorsOf(b.target, tile.vectors), bytes, emit);
    },
  );
}

/** Byte offsets of a panel's vectors, as many together as the schedule says. */
function vectorsOf({ lanes }: Target, together: number): readonly (readonly number[])[] {
  const all = Array.from({ length: panelRows / lanes }, (_, v) => v * lanes * 4);
  const parts: number[][] = [];
  for (let v = 0; v < all.length; v += together) parts.push(all.slice(v, v + together));
  return parts;
}

/** Tile heights that make up any number of tokens: the largest, then halves of it. */
function sizes(rows: number): readonly number[] {
  const all = [rows];
  while (all.at(-1)! > 1) all.push(Math.floor(all.at(-1)! / 2));
  return all;
}

function tiles(
  b: TileBuilder,
  source: Int,
  tokens: Int,
  heights: readonly number[],
  parts: readonly (readonly number[])[],
  tile: Tile,
  emit: EmitTile,
): void {
  const next = b.int(0);
  for (const rows of heights) {
    b.for(next, b.sub(tokens, rows - 1), rows, (token) => {
      for (const columns of parts) emit(tile, source, columns, token, rows);
      b.add(token, rows, next);
    });
  }
}
