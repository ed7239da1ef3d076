/**
 * What sampling needs of a row of logits, so that JavaScript never walks a whole vocabulary: the maximum of each run of 256,
 * and the sum over each run of exp((logit - max) / temperature).
 */
import { rowFloats } from "../layout.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, broadcast, TileBuilder, vector } from "../tile-builder.ts";
import { exp, reduce16 } from "./math.ts";

export const run = 256;
const runsPerItem = 16;

/** Whole runs of a row; what is left over is for the caller. */
export const wholeRuns = (vocabulary: number): number => Math.floor(vocabulary / run);
export const statisticsItems = (vocabulary: number): number =>
  Math.max(1, Math.ceil(wholeRuns(vocabulary) / runsPerItem));
/** Floats of a row of maxima or sums. */
export const statisticsFloats = (vocabulary: number): number => rowFloats(Math.ceil(vocabulary / run));

/** Parameters logits, maxima; an item is 16 runs of a row. */
export function lowerRowMaxima(target: Target, vocabulary: number): TileProgram {
  const b = new TileBuilder(target);
  const [logits, maxima] = [b.param(), b.param()];
  runs(b, vocabulary, (row, index) => {
    const from = b.add(runOf(b, logits, vocabulary, row), b.mul(index, run * 4));
    const parts = Array.from({ length: 4 }, (_, i) => b.loadF(at(from, i * target.lanes * 4)));
    b.for(16 * target.lanes, run * 4, 16 * target.lanes, (i) => {
      for (const [n, part] of parts.entries()) b.fmax(part, vector(at(from, n * target.lanes * 4, i)), part);
    });
    const max = b.reduce("max", b.fmax(b.fmax(parts[0]!, parts[1]!), b.fmax(parts[2]!, parts[3]!)));
    b.storeLane(at(statisticsRow(b, maxima, vocabulary, row), 0, index, 4), max);
  });
  return b.finish(`rowMaxima-${vocabulary}`);
}

/** Parameters logits, maxima, inverse temperatures (f32 [S]), sums; an item is 16 runs of a row. */
export function lowerRowSums(target: Target, vocabulary: number): TileProgram {
  const b = new TileBuilder(target);
  const [logits, maxima, inverse, sums] = [b.param(), b.param(), b.param(), b.param()];
  runs(
    b,
    vocabulary,
    (row, index, max) => {
      const from = b.add(runOf(b, logits, vocabulary, row), b.mul(index, run * 4));
      const parts = Array.from({ length: 16 / target.lanes }, () => b.constF(0));
      b.for(0, run * 4, 64, (i) => {
        for (const [n, part] of parts.entries()) {
          const x = b.fsub(b.loadF(at(from, n * target.lanes * 4, i)), max!);
          b.fadd(part, exp(b, b.fmul(x, broadcast(at(inverse, 0, row, 4)))), part);
        }
      });
      b.storeLane(at(statisticsRow(b, sums, vocabulary, row), 0, index, 4), reduce16(b, "add", parts));
    },
    (row) => {
      const from = statisticsRow(b, maxima, vocabulary, row);
      const largest = b.broadcastF(at(from));
      b.for(0, wholeRuns(vocabulary), 1, (i) => b.fmax(largest, broadcast(at(from, 0, i, 4)), largest));
      return largest;
    },
  );
  return b.finish(`rowSums-${vocabulary}`);
}

function runs(
  b: TileBuilder,
  vocabulary: number,
  each: (row: Int, index: Int, first: F32 | undefined) => void,
  prepare?: (row: Int) => F32,
): void {
  const items = statisticsItems(vocabulary);
  b.for(b.begin, b.end, 1, (item) => {
    const row = b.div(item, items);
    const from = b.mul(b.rem(item, items), runsPerItem);
    const prepared = prepare?.(row);
    b.for(from, b.min(b.add(from, runsPerItem), wholeRuns(vocabulary)), 1, (index) => each(row, index, prepared));
  });
}

const runOf = (b: TileBuilder, logits: Int, vocabulary: number, row: Int): Int =>
  b.add(logits, b.mul(row, rowFloats(vocabulary) * 4));
const statisticsRow = (b: TileBuilder, rows: Int, vocabulary: number, row: Int): Int =>
  b.add(rows, b.mul(row, statisticsFloats(vocabulary) * 4));
