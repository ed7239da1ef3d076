/**
 * Rotary position embedding. Tables hold, for each position, C cosines and C sines, the sines of the first half negated, so
 * the rotation is x cos + rotate(x) sin; the row is doubled in scratch to read it rotated by half.
 */
import { rowFloats } from "../layout.ts";
import type { Target, TileProgram } from "../tile.ts";
import { at, TileBuilder, vector } from "../tile-builder.ts";
import { copyRow } from "./rows.ts";

/** Parameters x (rows `xBytes` apart), positions, table ([context][2][C]), y; an item is a token of `heads` × `width`. */
export function lowerRope(
  target: Target,
  heads: number,
  width: number,
  xBytes = rowFloats(heads * width) * 4,
): TileProgram {
  const b = new TileBuilder(target);
  const [x, positions, table, y] = [b.param(), b.param(), b.param(), b.param()];
  const stride = rowFloats(heads * width) * 4;
  const bytes = width * 4;
  b.for(b.begin, b.end, 1, (token) => {
    const angles = b.add(table, b.mul(b.loadInt(at(positions, 0, token, 4)), 2 * bytes));
    const [from, to] = [b.add(x, b.mul(token, xBytes)), b.add(y, b.mul(token, stride))];
    b.for(0, heads * bytes, bytes, (head) => {
      const row = b.add(from, head);
      const end = b.add(to, head);
      copyRow(b, row, b.scratch, bytes);
      copyRow(b, row, b.add(b.scratch, bytes), bytes);
      b.for(0, bytes, target.lanes * 4, (i) => {
        const rotated = b.fmul(b.loadF(at(b.scratch, bytes / 2, i)), vector(at(angles, bytes, i)));
        b.fma(rotated, b.loadF(at(b.scratch, 0, i)), vector(at(angles, 0, i)));
        b.store(at(end, 0, i), rotated);
      });
    });
  });
  return b.finish(`rope-${heads}x${width}`);
}
