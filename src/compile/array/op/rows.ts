/** Rows of a table by their indices: taken, or summed up where several come to the same place. */
import type { Int, Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";

interface Kernel {
  readonly program: TileProgram;
  readonly items: number;
}

/** Copies `bytes`, a constant, from one place to another. */
export function copyRow(b: TileBuilder, from: Int, to: Int, bytes: number): void {
  const step = b.target.lanes * 4;
  const whole = bytes - (bytes % step);
  if (whole > 0) b.for(0, whole, step, (i) => b.store(at(to, 0, i), b.loadI(at(from, 0, i))));
  const words = Math.floor((bytes - whole) / 4);
  if (words > 0) b.storePart(at(to, whole), b.loadPartI(at(from, whole), words), words);
  if (bytes % 4 !== 0) b.storeInt(at(to, bytes - 2), b.loadInt(at(from, bytes - 2), "u16"), "u16");
}

/** (table, indices, rows): an item is an index. */
export function take(target: Target, count: number, rowBytes: number): Kernel {
  const b = new TileBuilder(target);
  const [table, indices, rows] = [b.param(), b.param(), b.param()];
  b.for(b.begin, b.end, 1, (item) => {
    const index = b.loadInt(at(indices, 0, item, 4));
    copyRow(b, b.add(table, b.mul(index, rowBytes)), b.add(rows, b.mul(item, rowBytes)), rowBytes);
  });
  return { program: b.finish("take"), items: count };
}

/** Columns of an item of `scatterAdd`. */
const columns = 64;

/**
 * (indices, values [count, width], sums [rows, width]): an item is some columns of all rows, so each sum has one writer, which
 * adds in the order of the indices.
 */
export function scatterAdd(target: Target, count: number, width: number, rows: number): Kernel {
  const b = new TileBuilder(target);
  const { lanes } = target;
  const [indices, values, sums] = [b.param(), b.param(), b.param()];
  const blocks = Math.ceil(width / columns);
  const run = (column: Int, size: number): void => {
    const from = b.add(values, b.shl(column, 2));
    const to = b.add(sums, b.shl(column, 2));
    const each = (visit: (offset: number, count: number | undefined) => void): void => {
      for (let i = 0; i < size; i += lanes) visit(4 * i, size - i < lanes ? size - i : undefined);
    };
    const zero = b.constF(0);
    b.for(0, rows, 1, (row) => {
      const place = b.add(to, b.mul(row, width * 4));
      each((offset, part) => {
        if (part === undefined) b.store(at(place, offset), zero);
        else b.storePart(at(place, offset), zero, part);
      });
    });
    b.for(0, count, 1, (i) => {
      const place = b.add(to, b.mul(b.loadInt(at(indices, 0, i, 4)), width * 4));
      const row = b.add(from, b.mul(i, width * 4));
      each((offset, part) => {
        const [here, there] = [at(place, offset), at(row, offset)];
        if (part === undefined) b.store(here, b.fadd(b.loadF(here), b.loadF(there)));
        else b.storePart(here, b.fadd(b.loadPartF(here, part), b.loadPartF(there, part)), part);
      });
    });
  };
  b.for(b.begin, b.end, 1, (item) => {
    const column = b.mul(item, columns);
    const last = width - (blocks - 1) * columns;
    if (blocks === 1 || last === columns) run(column, Math.min(columns, width));
    else
      b.if(
        item,
        "lt",
        blocks - 1,
        () => run(column, columns),
        () => run(column, last),
      );
  });
  return { program: b.finish("scatterAdd"), items: blocks };
}
