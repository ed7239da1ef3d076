/** Copies bytes from one buffer to another. */
import type { Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { copyRow } from "./rows.ts";

const itemBytes = 1 << 15;

/** (from, to) */
export function copy(target: Target, bytes: number): { readonly program: TileProgram; readonly items: number } {
  const b = new TileBuilder(target);
  const [from, to] = [b.param(), b.param()];
  const whole = Math.floor(bytes / itemBytes);
  const rest = bytes % itemBytes;
  b.for(b.begin, b.min(b.end, whole), 1, (item) => {
    const start = b.mul(item, itemBytes);
    const [source, sink] = [b.add(from, start), b.add(to, start)];
    b.for(0, itemBytes, target.lanes * 4, (i) => b.store(at(sink, 0, i), b.loadI(at(source, 0, i))));
  });
  if (rest > 0) {
    b.if(b.end, "gt", whole, () => copyRow(b, b.add(from, whole * itemBytes), b.add(to, whole * itemBytes), rest));
  }
  return { program: b.finish("copy"), items: whole + (rest > 0 ? 1 : 0) };
}
