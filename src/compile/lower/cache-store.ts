/** The cache of keys and values, in blocks of 16 positions, and appending to it. */
import type { Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { loadAt, storeRow } from "./rows.ts";

export const positionsPerBlock = 16;

/** Bytes of one block's keys, or values, of one layer. */
export const blockBytes = (shape: { readonly kvHeads: number; readonly width: number }): number =>
  shape.kvHeads * shape.width * positionsPerBlock * 4;

/** Appends a token's k and v, rows of `kvHeads` × `width`, to the cache, at `slot`: block × 16 + place. */
export function emitCacheStore(
  b: TileBuilder,
  { kvHeads, width }: { readonly kvHeads: number; readonly width: number },
  k: Int,
  v: Int,
  slot: Int,
  cacheK: Int,
  cacheV: Int,
): void {
  const place = b.and(slot, 15);
  const block = b.mul(b.shr(slot, 4), blockBytes({ kvHeads, width }));
  b.for(0, kvHeads, 1, (g) => {
    const head = b.mul(g, width * 4);
    const start = b.add(block, b.mul(head, positionsPerBlock));
    const from = b.add(k, head);
    const to = b.int(b.add(b.add(cacheK, start), b.shl(place, 2)));
    b.for(0, width, 1, (c) => {
      b.storeInt(at(to), b.loadInt(at(from, 0, c, 4)));
      b.add(to, positionsPerBlock * 4, to);
    });
    const values = b.add(b.add(cacheV, start), b.mul(place, width * 4));
    storeRow(b, loadAt(b, b.add(v, head)), values, width * 4);
  });
}
