/**
 * Matrix products with packed weights: out [T, N] = x [T, K] · wᵀ (+ bias).
 *
 * A vector holds output rows of a panel at one k, and each activation is repeated in all lanes. So a result is one chain
 * over k in order, the same whatever the number of tokens, the tile or the thread: rows are equal bit for bit however they
 * are batched, and whatever schedule is chosen. A work item is a panel of 32 output rows for all tokens.
 *
 *     few tokens ──► tiles read packed codes                               (memory-bound: every byte of the panel once)
 *     many ────────► the panel is unpacked into scratch ──► tiles read bytes  (compute-bound: unpacking is paid once)
 */
import { type BlockType, blockFormats, panelRows } from "../block-format.ts";
import { narrowRowBytes, quantLayout, rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import { vectorsNeeded } from "../render/x64-registers.ts";
import { defaultSchedule, type LinearSchedule, type LinearTile, linearKey } from "../schedule/linear.ts";
import type { Address, F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder, vector } from "../tile-builder.ts";
import { eachPart } from "./linear/block-cursor.ts";
import { blocksInOrder, blockTile, type Fetch, nothing } from "./linear/blocks.ts";
import { bf16Tile, f32Tile } from "./linear/floats.ts";
import { stagedBlocks, unpackPanel } from "./linear/unpack.ts";

export interface LinearShape {
  readonly n: number;
  readonly k: number;
  readonly bias: boolean;
}

/** Adds up `rows` tokens from `x` on against the panel's vectors that begin at the byte offsets `columns`, behind `column`. */
export type Tile = (panel: Int, columns: readonly number[], x: Int, rows: number, column?: Int) => F32[][];

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
    const first = b.shl(item, 7);
    const outBytes = rowFloats(shape.n) * 4;
    lowerItem(b, format, shape.k, schedule, panel, tokens, {
      from: (token) => b.add(x, b.mul(token, activationBytes(format, shape.k, target))),
      to: (token) => b.add(b.add(out, b.mul(token, outBytes)), first),
      rowBytes: outBytes,
      bias: bias === undefined ? undefined : b.add(bias, first),
    });
  });
  return b.finish(`linear-${linearKey(format, shape.n, shape.k)}`);
}

/** Where a token's activations are, and where its sums of the panel go, in rows `rowBytes` apart; with the panel's bias. */
export interface PanelPlaces {
  from(token: Int): Int;
  to(token: Int): Int;
  readonly rowBytes: number;
  readonly bias: Int | undefined;
}

/** With a schedule that was found by measuring, if it fits the registers still; else with the analytical choice. */
export function lowerTuned(
  target: Target,
  format: WeightFormat,
  shape: LinearShape,
  tuned: LinearSchedule | undefined,
): TileProgram {
  const program = tuned && lowerLinear(target, format, shape, tuned);
  if (program !== undefined && vectorsNeeded(program) <= target.registers) return program;
  return lowerLinear(target, format, shape);
}

/** A panel for all tokens: the schedule's cases in turn, each a comparison, then the rest. */
export function lowerItem(
  b: TileBuilder,
  format: WeightFormat,
  k: number,
  { cases, rest }: LinearSchedule,
  panel: Int,
  tokens: Int,
  places: PanelPlaces,
): void {
  const [first, ...others] = cases;
  if (first === undefined) return tiles(b, format, k, rest, panel, tokens, Number.POSITIVE_INFINITY, places);
  b.if(
    tokens,
    "le",
    first.until,
    () => tiles(b, format, k, first.tile, panel, tokens, first.until, places),
    () => lowerItem(b, format, k, { cases: others, rest }, panel, tokens, places),
  );
}

/** What tiles of a schedule read, and how. */
export function tileOf(b: TileBuilder, format: WeightFormat, k: number, tile: LinearTile, panel: Int): Tile {
  const { operand, unroll } = tile;
  if (format.kind !== "blocks") {
    const lower = format.kind === "f32" ? f32Tile : bf16Tile;
    return (source, columns, x, rows, column) => {
      const from = column === undefined ? source : b.add(source, column);
      return lower(b, k, from, columns, x, rows, { ahead: tile.prefetch, operand, unroll });
    };
  }
  const f = blockFormats[format.type];
  const read = tile.stage === 1 ? stagedBlocks(f, k).format : f;
  const { panelBytes } = weightLayout(format, panelRows, k);
  // Each line once: by the tile that reads the panel's first vector, or by all tiles in turn.
  const fetchesFor = (columns: readonly number[], column: Int | undefined): Fetch => {
    // Where codes were unpacked first, this panel is in the cache already.
    if (tile.nextPanel === 0 && (tile.prefetch === 0 || tile.stage === 1)) return nothing;
    const ahead = tile.nextPanel === 1 ? panelBytes : tile.prefetch;
    if (column === undefined) return columns[0] === 0 ? { from: panel, ahead, bytes: panelBytes } : nothing;
    const share = panelBytes / (panelRows * 4);
    return { from: b.add(panel, b.mul(column, share)), ahead, bytes: share * b.target.lanes * 4 * columns.length };
  };
  return (source, columns, x, rows, column) =>
    blockTile(b, read, k, source, columns, x, rows, { fetches: fetchesFor(columns, column), operand, unroll, column });
}

function tiles(
  b: TileBuilder,
  format: WeightFormat,
  k: number,
  schedule: LinearTile,
  panel: Int,
  tokens: Int,
  tokensMax: number,
  places: PanelPlaces,
): void {
  if (format.kind === "blocks" && schedule.order === "blocks") {
    return b.for(0, tokens, 1, (token) => inOrder(b, format.type, k, schedule, panel, token, places));
  }
  const staged = format.kind === "blocks" && schedule.stage === 1;
  if (staged) unpackPanel(b, blockFormats[format.type], k, panel, b.scratch, schedule.prefetch);
  const source = staged ? b.scratch : panel;
  const tile = tileOf(b, format, k, schedule, panel);
  const heights = tileHeights(schedule).filter((rows) => rows <= tokensMax);
  const over = (once: (token: Int, rows: number) => void): void => {
    if (schedule.tail === "even") return evenly(b, tokens, Math.min(schedule.rows, tokensMax), once);
    const next = b.int(0);
    for (const rows of heights) {
      b.for(next, b.sub(tokens, rows - 1), rows, (token) => {
        once(token, rows);
        b.add(token, rows, next);
      });
    }
  };
  const emit = (columns: readonly number[], column: Int | undefined, token: Int, rows: number): void => {
    const { rowBytes, bias } = places;
    const from = places.from(token);
    const moved = (start: Int): Int => (column === undefined ? start : b.add(start, column));
    const [to, biases] = [moved(places.to(token)), bias && moved(bias)];
    for (const [r, row] of tile(source, columns, from, rows, column).entries()) {
      for (const [i, sum] of row.entries()) {
        if (biases !== undefined) b.fadd(sum, vector(at(biases, columns[i])), sum);
        b.store(at(to, r * rowBytes + columns[i]!), sum);
      }
    }
  };
  const each = (write: (columns: readonly number[], column: Int | undefined) => void): void =>
    eachPart(b, schedule.vectors, write);
  if (schedule.order === "tokens") {
    over((token, rows) => each((columns, column) => emit(columns, column, token, rows)));
  } else each((columns, column) => over((token, rows) => emit(columns, column, token, rows)));
}

/** A token's sums, added up where they go: see `blocksInOrder`. */
function inOrder(
  b: TileBuilder,
  type: BlockType,
  k: number,
  tile: LinearTile,
  panel: Int,
  token: Int,
  { from, to, bias }: PanelPlaces,
): void {
  const sums = to(token);
  const each = (write: (sum: Address, offset: number, column: Int | undefined) => F32): void =>
    eachPart(b, 1, ([offset = 0], column) => {
      const place = at(column === undefined ? sums : b.add(sums, column), offset);
      b.store(place, write(place, offset, column));
    });
  each(() => b.constF(0));
  blocksInOrder(b, blockFormats[type], k, panel, from(token), sums, tile);
  if (bias === undefined) return;
  each((sum, offset, column) =>
    b.fadd(b.loadF(sum), vector(at(column === undefined ? bias : b.add(bias, column), offset))),
  );
}

/** Tiles of nearly equal height, at most `most`, since a short one costs almost as much; the first are a token higher. */
function evenly(b: TileBuilder, tokens: Int, most: number, once: (token: Int, rows: number) => void): void {
  const count = b.max(b.div(b.add(tokens, most - 1), most), 1);
  const height = b.div(tokens, count);
  const higher = b.rem(tokens, count);
  const next = b.int(0);
  for (let rows = most; rows >= 1; rows--) {
    const here = b.int(0);
    b.if(height, "eq", rows - 1, () => b.assign(here, higher));
    b.if(height, "eq", rows, () => b.assign(here, b.sub(count, higher)));
    const end = b.add(next, b.mul(here, rows));
    b.for(next, end, rows, (token) => once(token, rows));
    b.assign(next, end);
  }
}

/** Tile heights that make up any number of tokens, the largest first. */
export function tileHeights({ rows, tail }: Pick<LinearTile, "rows" | "tail">): readonly number[] {
  if (tail !== "halves") return Array.from({ length: rows }, (_, i) => rows - i);
  const all = [rows];
  while (all.at(-1)! > 1) all.push(Math.floor(all.at(-1)! / 2));
  return all;
}
