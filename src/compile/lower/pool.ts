/**
 * Pooling of channels-last images and its gradient. A vector holds channels of a pixel; what is padded is not visited, so it
 * counts neither in a maximum nor in a mean's divisor.
 *
 * Forward an item is a row of results. Backward it is some channels of an image, whose windows are visited in order: windows
 * may overlap, and a pixel's sum is over them in that order whatever the threads.
 */
import type { ArrayType, Pooling } from "../../graph/array.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import type { Lowered } from "./lowered.ts";

const lowered = (program: TileProgram, items: number, args: readonly number[]): Lowered => ({
  calls: [{ program, items, args }],
  temporaries: [],
  scratchBytes: 0,
});

/** Vectors of a block of channels, the last of which may hold fewer than the others. */
interface Block {
  readonly counts: readonly number[];
}

function load(b: TileBuilder, from: Int, offset: number, count: number): F32 {
  return count === b.target.lanes ? b.loadF(at(from, offset)) : b.loadPartF(at(from, offset), count);
}

function store(b: TileBuilder, to: Int, offset: number, value: F32, count: number): void {
  if (count === b.target.lanes) b.store(at(to, offset), value);
  else b.storePart(at(to, offset), value, count);
}

const vectorsMax = 4;

/** Calls `write` with each block of `channels`, and how many bytes it is behind the first. */
function eachBlock(b: TileBuilder, channels: number, write: (block: Block, offset: Int) => void): void {
  const { lanes } = b.target;
  const wide = vectorsMax * lanes;
  const full = { counts: Array.from({ length: vectorsMax }, () => lanes) };
  const offset = b.int(0);
  b.for(0, Math.floor(channels / wide), 1, () => {
    write(full, offset);
    b.add(offset, wide * 4, offset);
  });
  const rest = channels % wide;
  if (rest === 0) return;
  write(
    { counts: Array.from({ length: Math.ceil(rest / lanes) }, (_, i) => Math.min(lanes, rest - i * lanes)) },
    offset,
  );
}

/** The pixels of a window along one axis: from where, to before where. */
interface Seen {
  readonly from: Int;
  readonly to: Int;
}

function seen(b: TileBuilder, position: Int, stride: number, low: number, size: number, extent: number): Seen {
  const first = b.sub(b.mul(position, stride), low);
  return { from: b.max(first, 0), to: b.min(b.add(first, size), extent) };
}

interface Shapes {
  readonly op: Pooling;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly rowsOut: number;
  readonly columnsOut: number;
}

function shapesOf(op: Pooling, x: ArrayType, y: ArrayType): Shapes {
  const [, rows, columns, channels] = x.shape as [number, number, number, number];
  return { op, rows, columns, channels, rowsOut: y.shape[1]!, columnsOut: y.shape[2]! };
}

/** Visits the pixels of a window in order, of an image whose first pixel (in some channels) is at `image`. */
function eachPixel(b: TileBuilder, s: Shapes, image: Int, down: Seen, along: Seen, visit: (pixel: Int) => void): void {
  const { op, rows, columns, channels } = s;
  const pixelBytes = channels * 4;
  const start = b.add(b.mul(down.from, columns), along.from);
  const row = b.add(image, b.mul(start, pixelBytes));
  const inside =
    op.padding.every((n) => n === 0) && op.size[0] * op.size[1] <= 9 && op.size[0] <= rows && op.size[1] <= columns;
  if (inside) {
    for (let i = 0; i < op.size[0]; i++) {
      for (let j = 0; j < op.size[1]; j++) visit(i + j === 0 ? row : b.add(row, (i * columns + j) * pixelBytes));
    }
    return;
  }
  b.for(down.from, down.to, 1, () => {
    const pixel = b.int(row);
    b.for(along.from, along.to, 1, () => {
      visit(pixel);
      b.add(pixel, pixelBytes, pixel);
    });
    b.add(row, columns * pixelBytes, row);
  });
}

const countOf = (b: TileBuilder, down: Seen, along: Seen): F32 =>
  b.toF32(b.splat(b.mul(b.sub(down.to, down.from), b.sub(along.to, along.from))));

/** (x) → y. */
export function lowerPool2d(target: Target, op: Pooling, [x]: readonly [ArrayType], y: ArrayType): Lowered {
  const s = shapesOf(op, x, y);
  const b = new TileBuilder(target);
  const [from, to] = [b.param(), b.param()];
  const [[stride, across], [top, , left], [height, width]] = [op.strides, op.padding, op.size];
  b.for(b.begin, b.end, 1, (item) => {
    const image = b.add(from, b.mul(b.div(item, s.rowsOut), s.rows * s.columns * s.channels * 4));
    const down = seen(b, b.rem(item, s.rowsOut), stride, top, height, s.rows);
    const out = b.add(to, b.mul(item, s.columnsOut * s.channels * 4));
    b.for(0, s.columnsOut, 1, (column) => {
      const along = seen(b, column, across, left, width, s.columns);
      eachBlock(b, s.channels, ({ counts }, offset) => {
        const results = counts.map(() => b.constF(op.fn === "max" ? Number.NEGATIVE_INFINITY : 0));
        eachPixel(b, s, b.add(image, offset), down, along, (pixel) => {
          for (const [v, result] of results.entries()) {
            const value = load(b, pixel, v * target.lanes * 4, counts[v]!);
            if (op.fn === "mean") b.fadd(result, value, result);
            else greater(b, result, value);
          }
        });
        const place = b.add(out, offset);
        const count = op.fn === "mean" ? countOf(b, down, along) : undefined;
        for (const [v, result] of results.entries()) {
          store(b, place, v * target.lanes * 4, count ? b.fdiv(result, count) : result, counts[v]!);
        }
      });
      b.add(out, s.channels * 4, out);
    });
  });
  return lowered(b.finish(`pool-${nameOf(s)}`), x.shape[0]! * s.rowsOut, [0, 1]);
}

const nameOf = ({ op, rows, columns, channels }: Shapes): string =>
  `${op.fn}-${op.size.join("x")}-${rows}x${columns}x${channels}`;

/** The greater one, or NaN where one of both is. */
function greater(b: TileBuilder, most: F32, value: F32): void {
  // Of a NaN the maximum gives its second operand; bits of any number beside a NaN's leave it one.
  const notNumber = b.i32("and", b.compare("ne", value, value), b.bitsI(value));
  b.assign(most, b.bitsF(b.i32("or", b.bitsI(b.fmax(value, most)), notNumber)));
}

/** (x, y, dy) → dx. */
export function lowerPool2dInput(
  target: Target,
  op: Pooling,
  [x, y]: readonly [ArrayType, ArrayType, ArrayType],
  _dx: ArrayType,
): Lowered {
  const s = shapesOf(op, x, y);
  const b = new TileBuilder(target);
  const [from, results, gradients, to] = [b.param(), b.param(), b.param(), b.param()];
  const { lanes } = target;
  const blocks = Math.ceil(s.channels / lanes);
  const last = s.channels - (blocks - 1) * lanes;
  b.for(b.begin, b.end, 1, (item) => {
    const [image, block] = [b.div(item, blocks), b.rem(item, blocks)];
    const offset = b.mul(block, lanes * 4);
    const ofX = b.add(b.mul(image, s.rows * s.columns * s.channels * 4), offset);
    const ofY = b.add(b.mul(image, s.rowsOut * s.columnsOut * s.channels * 4), offset);
    const places = {
      ...{ x: b.add(from, ofX), dx: b.add(to, ofX) },
      ...{ y: b.add(results, ofY), dy: b.add(gradients, ofY) },
    };
    const whole = (): void => scatter(b, s, places, lanes);
    if (last === lanes) whole();
    else b.if(block, "eq", blocks - 1, () => scatter(b, s, places, last), whole);
  });
  return lowered(b.finish(`pool-input-${nameOf(s)}`), x.shape[0]! * blocks, [0, 1, 2, 3]);
}

interface Places {
  readonly x: Int;
  readonly dx: Int;
  readonly y: Int;
  readonly dy: Int;
}

/** `count` channels of an image: zeros, then what each window gives its pixels. */
function scatter(b: TileBuilder, s: Shapes, { x, dx, y, dy }: Places, count: number): void {
  const { op, channels } = s;
  const pixel = b.int(dx);
  const zero = b.constF(0);
  b.for(0, s.rows * s.columns, 1, () => {
    store(b, pixel, 0, zero, count);
    b.add(pixel, channels * 4, pixel);
  });
  const window = b.int(0);
  const fromX = b.sub(x, dx);
  b.for(0, s.rowsOut, 1, (row) => {
    const down = seen(b, row, op.strides[0], op.padding[0], op.size[0], s.rows);
    b.for(0, s.columnsOut, 1, (column) => {
      const along = seen(b, column, op.strides[1], op.padding[2], op.size[1], s.columns);
      const gradient = load(b, b.add(dy, window), 0, count);
      const add = (to: Int, value: F32): void => store(b, to, 0, b.fadd(load(b, to, 0, count), value), count);
      if (op.fn === "mean") {
        const share = b.fdiv(gradient, countOf(b, down, along));
        eachPixel(b, s, dx, down, along, (to) => add(to, share));
      } else {
        const [greatest, free] = [load(b, b.add(y, window), 0, count), b.constI(-1)];
        const bits = b.bitsI(gradient);
        eachPixel(b, s, dx, down, along, (to) => {
          const here = b.i32("and", b.compare("eq", load(b, b.add(to, fromX), 0, count), greatest), free);
          b.i32("xor", free, here, free);
          add(to, b.bitsF(b.i32("and", bits, here)));
        });
      }
      b.add(window, channels * 4, window);
    });
  });
}
