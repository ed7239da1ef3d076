/** How a product is computed: tiles, blocks, and which operand is copied first. A choice of data, by the shape alone. */
import type { Target } from "../../tile.ts";
import { type MatmulShape, tilingOf, wordsOf } from "./shape.ts";

export interface MatmulPlan {
  /** Rows of C, and vectors of its columns, whose sums are held in registers together; rows at most. */
  readonly rows: number;
  readonly vectors: number;
  /** Words along K that are multiplied before the next tile: a panel's share of the nearest cache. */
  readonly depth: number;
  /** Tiles and panels of a work item. */
  readonly tilesPerItem: number;
  readonly panelsPerItem: number;
  /** Whether an item copies its rows of A to its thread's scratch, in the order in which they are read. */
  readonly copyA: boolean;
  /** Whether an item packs each panel of B when it comes to it, and no call before: where it has all rows, and all of K. */
  readonly packB: "call" | "item";
  /** Words along K in one turn of the inner loop; an even number of rounded ones. */
  readonly unroll: number;
}

/** Bytes of A that an item keeps in the second cache, beside a panel of B. */
const blockBytes = 384 << 10;
/** A panel's part that a block of K has in the second cache; less where B would come from memory again for each item. */
const panelBytes = { near: 512 << 10, far: 128 << 10 } as const;
/** What the last cache holds of B, beside the others. */
const nearBytes = 12 << 20;
/** Of a transposed A that is read where it lies, a column after the other. */
const acrossBytes = 1 << 20;
/** Columns of B that an item goes through before it begins with other rows. */
const columnsMost = 1024;
/** So many items at least, where tiles and panels allow: threads that are held up for a while find others to take. */
const itemsWanted = 8;
/** Rows up to which panels are packed where they are multiplied: a panel that others need too is packed once, before. */
const rowsAlone = 512;

export function matmulPlan(target: Target, shape: MatmulShape): MatmulPlan {
  const words = wordsOf(target, shape);
  const { rows, vectors } = tileFor(target, Math.ceil(shape.n / target.lanes));
  // V8 keeps few of an unrolled loop's loads in registers.
  const unroll = target.lanes > 4 ? 4 : words.kind === "rounded" ? 2 : 1;
  const width = vectors * target.lanes;
  const { m, n, batch = 1 } = shape;
  const far = n * words.count * 4 > nearBytes;
  const blocks = Math.ceil((words.count * width * 4) / panelBytes[far ? "far" : "near"]);
  const depth = Math.ceil(words.count / blocks / 4) * 4;
  const tiles = tilingOf(m, rows).count;
  const panels = Math.ceil(n / width);
  let panelsPerItem = parts(panels, columnsMost / width);
  const across = batch * Math.ceil(panels / panelsPerItem);
  let tilesPerItem = evenly(m / rows, Math.floor(blockBytes / (depth * 4 * rows)), across);
  const items = (): number => batch * Math.ceil(tiles / tilesPerItem) * Math.ceil(panels / panelsPerItem);
  const rest = { rows, vectors, depth, unroll, copyA: copiesA(target, shape) };
  const fits = m <= rowsAlone && (!rest.copyA || m * words.count * 4 <= 2 * blockBytes);
  if (blocks === 1 && fits && batch * panels >= itemsWanted / 2) {
    // Each item copies all rows again.
    const wanted = rest.copyA ? itemsWanted / 2 : itemsWanted;
    panelsPerItem = evenly(n / width, Math.ceil(panels / Math.ceil(wanted / batch)), batch);
    return { ...rest, tilesPerItem: tiles, panelsPerItem, packB: "item" };
  }
  while (items() < itemsWanted && (tilesPerItem > 1 || panelsPerItem > 1)) {
    if (tilesPerItem === 1 || (panelsPerItem > 1 && panelsPerItem * width > tilesPerItem * rows))
      panelsPerItem = Math.ceil(panelsPerItem / 2);
    else tilesPerItem = Math.ceil(tilesPerItem / 2);
  }
  return { ...rest, tilesPerItem, panelsPerItem, packB: "call" };
}

/** How many of `all` a part takes, where as few parts as have at most `most` are nearly equal. */
const parts = (all: number, most: number): number => Math.ceil(all / Math.ceil(all / Math.max(1, most)));

/** Runs of items beyond which their lengths no longer count. */
const runsCounted = 8;
/** Smaller pieces must be better by this much: each begins anew. */
const worthwhile = 0.02;

/**
 * How many of `all` an item takes, at most `most`: nearly as many as that, so that two threads, and four, end together. `runs`
 * as long as this follow each other; the last item of each is what is left.
 */
function evenly(all: number, most: number, runs: number): number {
  const largest = parts(all, most);
  if (largest >= all || runs >= runsCounted) return largest;
  let best = { size: largest, cost: longest(all, largest, runs) };
  for (let size = largest - 1; size >= largest / 2; size--) {
    const cost = longest(all, size, runs);
    if (cost < best.cost - worthwhile) best = { size, cost };
  }
  return best.size;
}

/** How much longer than with items of no length two threads, and four, take: the sum of both ratios. */
function longest(all: number, size: number, runs: number): number {
  const full = Math.floor(all / size);
  const items = [...new Array<number>(full).fill(size), all - full * size];
  return [2, 4].reduce((sum, threads) => {
    const busy = new Array<number>(threads).fill(0);
    for (let run = 0; run < runs; run++) for (const item of items) busy[busy.indexOf(Math.min(...busy))]! += item;
    return sum + Math.max(...busy) / ((all * runs) / threads);
  }, 0);
}

/** As many sums as registers hold, beside a word's vectors of B and one of A; of wide tiles, since they load least. */
function tileFor(target: Target, columns: number): { readonly rows: number; readonly vectors: number } {
  const rowsOf = tiles[target.lanes];
  const vectors = Math.min(columns, rowsOf.length);
  return { rows: rowsOf[vectors - 1]!, vectors };
}

/** Rows of a tile of 1, 2, … vectors. */
const tiles: Readonly<Record<Target["lanes"], readonly number[]>> = { 16: [12, 12, 8, 6], 8: [10, 5], 4: [7, 4, 3] };

/** Whether A is better read from a copy: a step along K is a line, and where the second cache has not all of them it waits. */
const copiesA = (target: Target, shape: MatmulShape): boolean =>
  mustCopyA(target, shape) || (shape.a.transposed === true && shape.m * shape.k * 4 > acrossBytes);

/** Whether A's words are not in its memory as they are. */
export function mustCopyA(target: Target, { a, k, arithmetic }: MatmulShape): boolean {
  if (a.transposed === true) return arithmetic !== undefined && arithmetic !== "f32";
  if (arithmetic === "int8") return !target.dot4 || k % 4 > 0;
  return arithmetic === "bf16" && (a.type !== "bf16" || !target.dotBf16 || k % 2 === 1);
}
