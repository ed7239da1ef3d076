/** Walks along one axis of [outer, n, inner], sixteen columns of `inner` or fewer at a time: running sums, first maxima. */
import type { F32, I32, Int, Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { notANumber, select } from "../functions.ts";

export interface Axis {
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
}

/** What a shape is around one of its axes. */
export function axisOf(shape: readonly number[], axis: number): Axis {
  const size = (part: readonly number[]): number => part.reduce((a, d) => a * d, 1);
  return { outer: size(shape.slice(0, axis)), n: shape[axis]!, inner: size(shape.slice(axis + 1)) };
}

interface Columns {
  /** The elements of this place along the axis. */
  load(place: Int): F32;
  store(place: Int, v: F32 | I32): void;
}

/** (x, y): one item for each run of columns. */
function scan(
  target: Target,
  { outer, n, inner }: Axis,
  fromDtype: "32" | "bf16",
  name: string,
  write: (b: TileBuilder, columns: Columns) => void,
  outPlaces: number,
): { readonly program: TileProgram; readonly items: number } {
  const b = new TileBuilder(target);
  const { lanes } = target;
  const [x, y] = [b.param(), b.param()];
  const blocks = Math.ceil(inner / lanes);
  const bytes = fromDtype === "bf16" ? 2 : 4;
  const last = inner - (blocks - 1) * lanes;
  b.for(b.begin, b.end, 1, (item) => {
    const row = blocks === 1 ? item : b.div(item, blocks);
    const column = blocks === 1 ? b.int(0) : b.mul(b.rem(item, blocks), lanes);
    const from = b.add(x, b.mul(b.add(b.mul(row, n * inner), column), bytes));
    const to = b.add(y, b.mul(b.add(b.mul(row, outPlaces * inner), column), 4));
    const run = (count: number): void => {
      write(b, {
        load(place) {
          const here = b.add(from, b.mul(place, inner * bytes));
          if (bytes === 2) {
            if (count === lanes) return b.loadF(at(here), "bf16");
            for (let l = 0; l < count; l++) b.storeInt(at(b.scratch, 2 * l), b.loadInt(at(here, 2 * l), "u16"), "u16");
            return b.loadF(at(b.scratch), "bf16");
          }
          return count === lanes ? b.loadF(at(here)) : b.loadPartF(at(here), count);
        },
        store(place, v) {
          const here = b.add(to, b.mul(place, inner * 4));
          if (count === lanes) b.store(at(here), v);
          else b.storePart(at(here), v, count);
        },
      });
    };
    if (blocks === 1 || last === lanes) run(blocks === 1 ? last : lanes);
    else
      b.if(
        column,
        "lt",
        (blocks - 1) * lanes,
        () => run(lanes),
        () => run(last),
      );
  });
  return { program: b.finish(name), items: outer * blocks };
}

export const cumsum = (target: Target, axis: Axis): { readonly program: TileProgram; readonly items: number } =>
  scan(
    target,
    axis,
    "32",
    "cumsum",
    (b, columns) => {
      const sum = b.constF(0);
      b.for(0, axis.n, 1, (i) => {
        b.fadd(sum, columns.load(i), sum);
        columns.store(i, sum);
      });
    },
    axis.n,
  );

export const argmax = (
  target: Target,
  axis: Axis,
  dtype: "f32" | "bf16",
): { readonly program: TileProgram; readonly items: number } =>
  scan(
    target,
    axis,
    dtype === "bf16" ? "bf16" : "32",
    "argmax",
    (b, columns) => {
      const zero = b.int(0);
      const best = b.copy(columns.load(zero));
      const where = b.constI(0);
      b.for(1, axis.n, 1, (i) => {
        const v = columns.load(i);
        // The first NaN is greater than all that is none, as the maximum has it.
        const firstNone = b.i32("and", notANumber(b, v), b.compare("eq", best, best));
        const more = b.i32("or", b.compare("lt", best, v), firstNone);
        b.assign(best, select(b, more, v, best));
        b.assign(where, select(b, more, b.splat(i), where));
      });
      columns.store(zero, where);
    },
    1,
  );
