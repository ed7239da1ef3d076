/**
 * Attention of some heads to one partition of the positions, by absolute number, whoever computes it: the largest score, the
 * sum of the exponentials below it, and the values weighted with them.
 */
import type { F32, Int } from "../../tile.ts";
import { at, broadcast, type TileBuilder, vector } from "../../tile-builder.ts";
import { blockBytes, type CacheLayout, loadCached, numberBytes, positionsPerBlock } from "../cache-store.ts";
import { exp, reduce16 } from "../math.ts";

export interface AttentionShape extends CacheLayout {
  readonly heads: number;
  readonly scale: number;
  readonly window: number | undefined;
}

/** Blocks of a partition. */
export const partitionBlocks = 8;
export const partitionPositions = partitionBlocks * positionsPerBlock;
/** Rows of scores that one pass over the cache serves. */
export const rowsMax = 4;
/** Sums of a score that run side by side, even and odd channels, to hide the latency of an fma: part of the order. */
const chains = 2;

/** What a partition leaves of a head: its weighted values, then in the first lanes of two lines the largest score and the sum. */
export const partial = {
  largest: (width: number): number => width * 4,
  sum: (width: number): number => width * 4 + 64,
  bytes: (width: number): number => width * 4 + 128,
} as const;

/** Bytes from one row of scores to the next. */
const scoreBytes = partitionPositions * 4;
export const scoresBytes = rowsMax * scoreBytes;

/** What a token sees of the cache: the part of one head of keys and values. */
export interface CacheView {
  readonly table: Int;
  readonly keys: Int;
  readonly values: Int;
  readonly masks: Int;
  readonly position: Int;
  /** First position attended to. */
  readonly first: Int;
  readonly firstBlock: Int;
  readonly lastBlock: Int;
  /** Scratch for scores. */
  readonly scores: Int;
}

/** Some blocks, and the heads that attend to them. */
interface Work {
  readonly from: Int;
  readonly to: Int;
  readonly rows: readonly number[];
  readonly q: Int;
  readonly out: Int;
}

/** Partials of `rows` heads, whose queries lie one behind the other at `q`, to `out`. */
export function emitPartition(
  b: TileBuilder,
  shape: AttentionShape,
  view: CacheView,
  partition: Int,
  rows: number,
  q: Int,
  out: Int,
): void {
  const start = b.mul(partition, partitionBlocks);
  const from = b.max(view.firstBlock, start);
  const to = b.min(b.add(view.lastBlock, 1), b.add(start, partitionBlocks));
  const work = { from, to, rows: Array.from({ length: rows }, (_, r) => r), q, out };
  scoresOf(b, shape, view, work);
  for (const r of work.rows) exponentials(b, shape, view, work, r);
  weightedValues(b, shape, view, work);
}

/** Offsets, in floats, into the mask table: each a step of 16 + 16 entries read at a sliding place. */
const mask = { floats: 128, keepUpTo: 0, biasUpTo: 32, keepFrom: 64, biasFrom: 96 } as const;
export const excluded = -1e30;

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

/** Where a block's keys or values lie, and how far behind them those of the next one that this token reads. */
function blockAt(
  b: TileBuilder,
  shape: AttentionShape,
  view: CacheView,
  block: Int,
  part: Int,
): { readonly base: Int; readonly ahead: Int } {
  const bytes = blockBytes(shape);
  const number = b.loadInt(at(view.table, 0, block, 4));
  const next = b.loadInt(at(view.table, 0, b.min(b.add(block, 1), view.lastBlock), 4));
  return { base: b.add(part, b.mul(number, bytes)), ahead: b.mul(b.sub(next, number), bytes) };
}

/** scale × q·k of 16 positions a block for each row; those out of range far below every score. */
function scoresOf(b: TileBuilder, shape: AttentionShape, view: CacheView, { from, to, rows, q }: Work): void {
  const { lanes } = b.target;
  const size = numberBytes[shape.cache];
  b.for(from, to, 1, (block) => {
    const { base, ahead } = blockAt(b, shape, view, block, view.keys);
    const place = b.add(view.scores, b.shl(b.sub(block, from), 6));
    for (let part = 0; part < 16 / lanes; part++) {
      const sums = rows.map(() => Array.from({ length: chains }, () => b.constF(0)));
      const cursor = b.int(base);
      b.for(0, shape.width * 4, 4 * chains, (c) => {
        for (let chain = 0; chain < chains; chain++) {
          const offset = part * lanes * 4 + chain * 64;
          const k = loadCached(b, shape.cache, cursor, offset);
          for (const r of rows) b.fma(sums[r]![chain]!, k, broadcast(at(q, r * shape.width * 4 + chain * 4, c)));
        }
        if (part === 0) for (let line = 0; line < chains * 16 * size; line += 64) b.prefetch(at(cursor, line, ahead));
        b.add(cursor, chains * 16 * size, cursor);
      });
      for (const r of rows) {
        const dot = b.fadd(sums[r]![0]!, sums[r]![1]!);
        const score = b.fmul(dot, b.constF(shape.scale));
        b.store(at(place, r * scoreBytes + part * lanes * 4), masked(b, view, block, part, score, "bias"));
      }
    }
  });
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

/** In place: exp(score - largest), 0 out of range. */
function exponentials(
  b: TileBuilder,
  { width }: AttentionShape,
  view: CacheView,
  { from, to, out }: Work,
  row: number,
): void {
  const { lanes } = b.target;
  const parts = 16 / lanes;
  const scores = b.add(view.scores, row * scoreBytes);
  const largest = b.constF(excluded);
  b.for(0, b.shl(b.sub(to, from), 6), lanes * 4, (i) => b.fmax(largest, vector(at(scores, 0, i)), largest));
  const max = b.reduce("max", largest);
  b.storeLane(at(out, row * partial.bytes(width) + partial.largest(width)), max);
  const sums = Array.from({ length: parts }, () => b.constF(0));
  b.for(from, to, 1, (block) => {
    const offset = b.shl(b.sub(block, from), 6);
    for (const [part, sum] of sums.entries()) {
      const place = at(scores, part * lanes * 4, offset);
      const e = masked(b, view, block, part, exp(b, b.fsub(b.loadF(place), max)), "keep");
      b.store(place, e);
      b.fadd(sum, e, sum);
    }
  });
  b.storeLane(at(out, row * partial.bytes(width) + partial.sum(width)), reduce16(b, "add", sums));
}

/** Σ p v, positions in order. A block is read once: the sums of other channels than those at hand wait in memory. */
function weightedValues(b: TileBuilder, shape: AttentionShape, view: CacheView, work: Work): void {
  const { from, to, rows, out } = work;
  const { lanes, registers } = b.target;
  const rowBytes = shape.width * numberBytes[shape.cache];
  const across = Math.min(Math.floor((registers - rows.length - 2) / (rows.length + 1)), 4);
  const vectors = largestDivisor(shape.width / lanes, across);
  const place = (r: number, i: number): number => r * partial.bytes(shape.width) + i * lanes * 4;
  b.for(0, shape.width * 4, lanes * 4, (i) => {
    for (const r of rows) b.store(at(out, place(r, 0), i), b.constF(0));
  });
  b.for(from, to, 1, (block) => {
    const { base, ahead } = blockAt(b, shape, view, block, view.values);
    const weights = b.add(view.scores, b.shl(b.sub(block, from), 6));
    const count = b.min(b.sub(b.add(view.position, 1), b.shl(block, 4)), positionsPerBlock);
    const channels = b.int(base);
    b.for(0, shape.width * 4, vectors * lanes * 4, (channel) => {
      const sums = rows.map((r) => Array.from({ length: vectors }, (_, i) => b.loadF(at(out, place(r, i), channel))));
      const values = b.int(channels);
      b.for(0, count, 1, (position) => {
        const v = Array.from({ length: vectors }, (_, i) => loadCached(b, shape.cache, values, i * lanes * 4));
        for (const r of rows) {
          const weight = b.broadcastF(at(weights, r * scoreBytes, position, 4));
          for (const [i, sum] of sums[r]!.entries()) b.fma(sum, weight, v[i]!);
        }
        const read = vectors * lanes * numberBytes[shape.cache];
        for (let line = 0; line < read; line += 64) b.prefetch(at(values, line, ahead));
        b.add(values, rowBytes, values);
      });
      for (const r of rows) for (const [i, sum] of sums[r]!.entries()) b.store(at(out, place(r, i), channel), sum);
      b.add(channels, vectors * lanes * numberBytes[shape.cache], channels);
    });
  });
}

function largestDivisor(n: number, most: number): number {
  for (let d = Math.max(1, most); d > 1; d--) if (n % d === 0) return d;
  return 1;
}
