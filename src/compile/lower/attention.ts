/**
 * Attention over a cache in blocks of 16 positions.
 *
 * A block of keys is stored transposed, [C][16 positions], and of values as it comes, [16 positions][C]: scores keep one
 * position a lane, outputs one channel a lane, and neither is ever summed across lanes except the softmax's denominator,
 * whose lanes are absolute positions modulo 16. So the result of a token is the same bits whatever the chunk, the batch
 * or the thread that computes it.
 */
import { assert } from "../../core/errors.ts";
import { rowFloats } from "../layout.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, broadcast, TileBuilder, vector } from "../tile-builder.ts";
import { blockBytes, positionsPerBlock } from "./cache-store.ts";
import { exp, reduce16 } from "./math.ts";
import { emitRow, rowNames, rowScratch } from "./row-kernel.ts";
import type { RowProgram } from "./row-work.ts";

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly width: number;
  readonly scale: number;
  readonly window: number | undefined;
}

/** Rows of scores that one pass over the cache serves. */
const rowsMax = 4;
/** Sums of a score that run side by side, even and odd channels, to hide the latency of an fma: part of the order. */
const chains = 2;

/** Bytes of scratch for a context of that many positions. */
export const attentionScratch = (context: number): number => rowsMax * (context + 2 * positionsPerBlock) * 4;

/**
 * Parameters q, positions, tables (i32: block numbers), starts (i32 [T]: where a token's table begins), cacheK, cacheV, masks, out.
 * An item is a token and a key-value head. `masks` is `attentionMasks()` in memory. With `rows`, which read the result as
 * product 0, their parameters come in place of out: what follows is done to the heads of an item while they are in scratch.
 */
export function lowerAttention(target: Target, shape: AttentionShape, rows?: RowProgram): TileProgram {
  const { heads, kvHeads, width } = shape;
  assert(width % 16 === 0, () => `heads of ${width}`);
  const b = new TileBuilder(target);
  const p = {
    q: b.param(),
    positions: b.param(),
    tables: b.param(),
    starts: b.param(),
    cacheK: b.param(),
    cacheV: b.param(),
    masks: b.param(),
  };
  const out = rows === undefined ? b.param() : b.scratch;
  const params = Array.from({ length: rows?.params ?? 0 }, () => b.param());
  const outs = (rows?.steps ?? []).flatMap((step) => (step.written ? [b.param()] : []));
  const perGroup = heads / kvHeads;
  const columns = { count: perGroup * width };
  const behind = rows === undefined ? 0 : columns.count * 4;
  const scores = rows === undefined ? b.scratch : b.add(b.scratch, behind + rowScratch(rows, target, columns));
  const stride = rowFloats(heads * width) * 4;
  b.for(b.begin, b.end, 1, (item) => {
    const token = kvHeads === 1 ? item : b.div(item, kvHeads);
    const g = kvHeads === 1 ? undefined : b.rem(item, kvHeads);
    const position = b.loadInt(at(p.positions, 0, token, 4));
    const first = shape.window === undefined ? b.int(0) : b.max(b.sub(position, shape.window - 1), 0);
    const headOffset =
      g === undefined ? b.mul(token, stride) : b.add(b.mul(token, stride), b.mul(g, perGroup * width * 4));
    const cacheOffset = g === undefined ? b.int(0) : b.mul(g, width * positionsPerBlock * 4);
    const view: CacheView = {
      table: b.add(p.tables, b.shl(b.loadInt(at(p.starts, 0, token, 4)), 2)),
      keys: b.add(p.cacheK, cacheOffset),
      values: b.add(p.cacheV, cacheOffset),
      masks: p.masks,
      position,
      first,
      scores,
    };
    for (let row = 0; row < perGroup; row += rowsMax) {
      const count = Math.min(rowsMax, perGroup - row);
      const q = b.add(b.add(p.q, headOffset), row * width * 4);
      const to = b.add(rows === undefined ? b.add(out, headOffset) : out, row * width * 4);
      rowsOfHead(b, shape, view, count, q, to);
    }
    if (rows === undefined) return;
    const column = g === undefined ? b.int(0) : b.mul(g, columns.count);
    const place = { item: token, params, outs, products: [out], scratch: b.add(b.scratch, behind) };
    emitRow(b, rows, { ...place, columns: { ...columns, first: column } });
  });
  const then = rows === undefined ? "" : `+${rowNames(rows)}`;
  const window = shape.window === undefined ? "" : `-window${shape.window}`;
  return b.finish(`attention${then}-${heads}x${kvHeads}x${width}${window}`);
}

interface CacheView {
  readonly table: Int;
  readonly keys: Int;
  readonly values: Int;
  readonly masks: Int;
  readonly position: Int;
  /** First position attended to. */
  readonly first: Int;
  /** Scratch for scores. */
  readonly scores: Int;
}

/** Offsets, in floats, into the mask table: each a step of 16 + 16 entries read at a sliding place. */
const mask = { floats: 128, keepUpTo: 0, biasUpTo: 32, keepFrom: 64, biasFrom: 96 } as const;
const excluded = -1e30;

/** Contents of the `masks` parameter: 1 or 0 to multiply with, 0 or a very low score to add. */
export function attentionMasks(): Float32Array {
  const m = new Float32Array(mask.floats);
  for (let i = 0; i < 16; i++) {
    m[mask.keepUpTo + i] = 1;
    m[mask.biasUpTo + 16 + i] = excluded;
    m[mask.keepFrom + 16 + i] = 1;
    m[mask.biasFrom + i] = excluded;
  }
  return m;
}

function rowsOfHead(b: TileBuilder, shape: AttentionShape, view: CacheView, rows: number, q: Int, out: Int): void {
  const firstBlock = b.shr(view.first, 4);
  const lastBlock = b.shr(view.position, 4);
  const blocks = b.add(b.sub(lastBlock, firstBlock), 1);
  // Scores of row r are at scratch + r × rowBytes, from the first block on.
  const rowBytes = b.mul(b.add(blocks, 1), positionsPerBlock * 4);
  const places = Array.from({ length: rows }, (_, r) =>
    r === 0 ? b.int(view.scores) : b.add(view.scores, b.mul(rowBytes, r)),
  );
  b.for(firstBlock, b.add(lastBlock, 1), 1, (block) => {
    scoresOfBlock(b, shape, view, block, b.shl(b.sub(block, firstBlock), 6), q, places);
  });
  for (const [r, place] of places.entries())
    softmax(b, view, place, firstBlock, lastBlock, b.add(out, r * shape.width * 4));
  weightedValues(b, shape, view, firstBlock, lastBlock, places, out);
}

/** scale × q·k of 16 positions for each row; those out of range far below every score. */
function scoresOfBlock(
  b: TileBuilder,
  shape: AttentionShape,
  view: CacheView,
  block: Int,
  offset: Int,
  q: Int,
  places: readonly Int[],
): void {
  const { lanes } = b.target;
  const number = b.loadInt(at(view.table, 0, block, 4));
  const keys = b.add(view.keys, b.mul(number, blockBytes(shape)));
  for (let part = 0; part < 16 / lanes; part++) {
    const sums = places.map(() => Array.from({ length: chains }, () => b.constF(0)));
    const cursor = b.int(keys);
    b.for(0, shape.width * 4, 4 * chains, (c) => {
      for (let chain = 0; chain < chains; chain++) {
        const k = b.loadF(at(cursor, part * lanes * 4 + chain * 64));
        for (const [r, row] of sums.entries())
          b.fma(row[chain]!, k, broadcast(at(q, r * shape.width * 4 + chain * 4, c)));
      }
      b.add(cursor, 64 * chains, cursor);
    });
    for (const [r, row] of sums.entries()) {
      const dot = b.fadd(row[0]!, row[1]!);
      const score = b.fmul(dot, b.constF(shape.scale));
      b.store(at(places[r]!, part * lanes * 4, offset), masked(b, view, block, part, score, "bias"));
    }
  }
}

/** Adds the bias, or multiplies with the keep, of the positions of a block part. */
function masked(b: TileBuilder, view: CacheView, block: Int, part: number, x: F32, how: "bias" | "keep"): F32 {
  const start = b.shl(block, 4);
  const last = b.min(b.sub(b.add(view.position, 1), start), 16);
  const skip = b.max(b.sub(view.first, start), 0);
  const partBytes = part * b.target.lanes * 4;
  const [upTo, from] = how === "bias" ? [mask.biasUpTo, mask.biasFrom] : [mask.keepUpTo, mask.keepFrom];
  const upToAt = at(view.masks, (upTo + 16) * 4 + partBytes, b.sub(b.int(0), last), 4);
  const fromAt = at(view.masks, (from + 16) * 4 + partBytes, b.sub(b.int(0), skip), 4);
  return how === "bias"
    ? b.fadd(b.fadd(x, vector(upToAt)), vector(fromAt))
    : b.fmul(b.fmul(x, vector(upToAt)), vector(fromAt));
}

/** In place: exp(score - max), 0 out of range; the inverse of the sum goes to the first lane at `inverse`. */
function softmax(b: TileBuilder, view: CacheView, scores: Int, firstBlock: Int, lastBlock: Int, inverse: Int): void {
  const { lanes } = b.target;
  const parts = 16 / lanes;
  const bytes = b.shl(b.add(b.sub(lastBlock, firstBlock), 1), 6);
  const largest = b.constF(excluded);
  b.for(0, bytes, lanes * 4, (i) => b.fmax(largest, vector(at(scores, 0, i)), largest));
  const max = b.reduce("max", largest);
  const sums = Array.from({ length: parts }, () => b.constF(0));
  b.for(firstBlock, b.add(lastBlock, 1), 1, (block) => {
    const offset = b.shl(b.sub(block, firstBlock), 6);
    for (const [part, sum] of sums.entries()) {
      const place = at(scores, part * lanes * 4, offset);
      const e = masked(b, view, block, part, exp(b, b.fsub(b.loadF(place), max)), "keep");
      b.store(place, e);
      b.fadd(sum, e, sum);
    }
  });
  b.storeLane(at(inverse), b.fdiv(b.constF(1), reduce16(b, "add", sums)));
}

/** out = Σ p v / Σ p, positions in order. The inverse sums wait in the first number of each output row. */
function weightedValues(
  b: TileBuilder,
  shape: AttentionShape,
  view: CacheView,
  firstBlock: Int,
  lastBlock: Int,
  places: readonly Int[],
  out: Int,
): void {
  const { lanes, registers } = b.target;
  const rowBytes = shape.width * 4;
  const inverses = places.map((_, r) => b.broadcastF(at(out, r * rowBytes)));
  const across = Math.min(Math.floor((registers - places.length - 2) / (places.length + 1)), 4);
  const vectors = largestDivisor(shape.width / lanes, across);
  b.for(0, rowBytes, vectors * lanes * 4, (channel) => {
    const sums = places.map(() => Array.from({ length: vectors }, () => b.constF(0)));
    b.for(firstBlock, b.add(lastBlock, 1), 1, (block) => {
      const number = b.loadInt(at(view.table, 0, block, 4));
      const values = b.int(b.add(b.add(view.values, b.mul(number, blockBytes(shape))), channel));
      const offset = b.int(b.shl(b.sub(block, firstBlock), 6));
      const start = b.shl(block, 4);
      const end = b.min(b.sub(b.add(view.position, 1), start), positionsPerBlock);
      b.for(0, end, 1, () => {
        const v = Array.from({ length: vectors }, (_, i) => b.loadF(at(values, i * lanes * 4)));
        for (const [r, row] of sums.entries()) {
          const weight = b.broadcastF(at(places[r]!, 0, offset));
          for (const [i, sum] of row.entries()) b.fma(sum, weight, v[i]!);
        }
        b.add(values, rowBytes, values);
        b.add(offset, 4, offset);
      });
    });
    for (const [r, row] of sums.entries()) {
      for (const [i, sum] of row.entries()) {
        b.store(at(out, r * rowBytes + i * lanes * 4, channel), b.fmul(sum, inverses[r]!));
      }
    }
  });
}

function largestDivisor(n: number, most: number): number {
  for (let d = Math.max(1, most); d > 1; d--) if (n % d === 0) return d;
  return 1;
}
