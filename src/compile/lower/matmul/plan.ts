/** How a product is computed: tiles, blocks, and which operand is copied first. A choice of data, by the shape alone. */
import type { Target } from "../../tile.ts";
import { bytesOf, type MatmulShape, tilingOf, wordsOf } from "./shape.ts";

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
  /** Words along K in one turn of the inner loop; even. */
  readonly unroll: number;
}

/** Rows whose stride is near a multiple of this fall on few lines of the nearest cache. */
const aliasBytes = 2048;
/** Bytes of A that an item keeps in the second cache. */
const blockBytes = 384 << 10;
/** So many items at least, where tiles and panels allow: threads that are held up for a while find others to take. */
const itemsWanted = 8;

export function matmulPlan(target: Target, shape: MatmulShape): MatmulPlan {
  const words = wordsOf(target, shape);
  const rows = target.lanes === 16 ? 12 : 4;
  const vectors = target.lanes === 16 ? 2 : target.lanes === 8 ? 2 : 2;
  const unroll = 4;
  const depthMost = 256;
  const blocks = Math.ceil(words.count / depthMost);
  const depth = Math.ceil(words.count / blocks / unroll) * unroll;
  const tiles = tilingOf(shape.m, rows).count;
  const panels = Math.ceil(shape.n / (vectors * target.lanes));
  const tilesMost = Math.max(1, Math.floor(blockBytes / (depth * 4 * rows)));
  const rowBlocks = Math.ceil(tiles / tilesMost);
  const batch = shape.batch ?? 1;
  let [tilesPerItem, panelsPerItem] = [Math.ceil(tiles / rowBlocks), panels];
  // Halves the side that is longer in bytes of C's tile until there are items enough.
  const items = (): number => batch * Math.ceil(tiles / tilesPerItem) * Math.ceil(panels / panelsPerItem);
  while (items() < itemsWanted && (tilesPerItem > 4 || panelsPerItem > 4)) {
    if (panelsPerItem * vectors * target.lanes > tilesPerItem * rows) panelsPerItem = Math.ceil(panelsPerItem / 2);
    else tilesPerItem = Math.ceil(tilesPerItem / 2);
  }
  return { rows, vectors, depth, tilesPerItem, panelsPerItem, copyA: mustCopyA(target, shape), unroll };
}

/** Whether A's rows cannot be read, or not well, where they are. */
function mustCopyA(target: Target, { a, k, ...shape }: MatmulShape): boolean {
  if (a.transposed) return true;
  if (shape.arithmetic === "bf16" && (a.type !== "bf16" || !target.dotBf16 || k % 2 === 1)) return true;
  return (a.stride * bytesOf(a)) % aliasBytes === 0;
}
