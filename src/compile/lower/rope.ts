/**
 * Rotary position embedding. Tables hold, for each position, C cosines and C sines, the sines of the first half negated, so
 * the rotation is x cos + rotate(x) sin.
 */
import type { Int } from "../tile.ts";
import { at, type TileBuilder, vector } from "../tile-builder.ts";
import { loadAt, storeRow } from "./rows.ts";

/** Bytes of `double` that heads of `width` need: none where half a head is whole vectors. */
export const ropeScratch = (width: number): number => ((width / 2) % 16 === 0 ? 0 : 2 * width * 4);

/** A token of `heads` × `width` from `x` to `y`, another place. `table` is [context][2][C]. */
export function emitRope(
  b: TileBuilder,
  { heads, width }: { readonly heads: number; readonly width: number },
  x: Int,
  angles: Int,
  y: Int,
  double: Int,
): void {
  const bytes = width * 4;
  b.for(0, heads * bytes, bytes, (head) => {
    const [from, to] = [b.add(x, head), b.add(y, head)];
    const rotate = (count: number, row: Int, start: number, rotated: number): void =>
      b.for(0, count, b.target.lanes * 4, (i) => {
        const turned = b.fmul(b.loadF(at(row, rotated, i)), vector(at(angles, bytes + start, i)));
        b.fma(turned, b.loadF(at(row, start, i)), vector(at(angles, start, i)));
        b.store(at(to, start, i), turned);
      });
    if (ropeScratch(width) === 0) {
      rotate(bytes / 2, from, 0, bytes / 2);
      rotate(bytes / 2, from, bytes / 2, 0);
      return;
    }
    // Half a head is not whole vectors: the row is doubled, to read it rotated by half.
    storeRow(b, loadAt(b, from), double, bytes);
    storeRow(b, loadAt(b, from), b.add(double, bytes), bytes);
    rotate(bytes, double, 0, bytes / 2);
  });
}
