/** Convolution and pooling of the oracle: one walk over (image, position of the window, place in the window). */
import { type ArrayType, type Convolution, type Pooling, sizeOf, type Window } from "../graph/array.ts";
import type { OracleArray } from "./array-oracle.ts";

interface Place {
  /** Index of the pixel [n, row, column] within x, of the position within y, and of the place within the window. */
  readonly pixel: number;
  readonly position: number;
  readonly place: number;
}

/** Visits what every window sees, leaving the padding out; windows in order, places in order within each. */
function visitWindows(
  x: ArrayType,
  y: ArrayType,
  [height, width]: readonly [number, number],
  { strides, padding }: Window,
  [dilateRows, dilateColumns]: readonly [number, number],
  visit: (place: Place) => void,
): void {
  const [images, rows, columns] = x.shape as [number, number, number, number];
  const positions = sizeOf(y.shape.slice(0, 3));
  const across = y.shape[2]!;
  for (let position = 0; position < positions; position++) {
    const image = Math.floor(position / (positions / images));
    const top = (Math.floor(position / across) % y.shape[1]!) * strides[0] - padding[0];
    const left = (position % across) * strides[1] - padding[2];
    for (let place = 0; place < height * width; place++) {
      const row = top + Math.floor(place / width) * dilateRows;
      const column = left + (place % width) * dilateColumns;
      if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
      visit({ pixel: (image * rows + row) * columns + column, position, place });
    }
  }
}

/** Calls `visit` with the indices of x, w and y of every product that a convolution sums. */
function products(
  op: Convolution,
  x: ArrayType,
  w: ArrayType,
  y: ArrayType,
  visit: (x: number, w: number, y: number) => void,
): void {
  const [height, width, channels, outputs] = w.shape as [number, number, number, number];
  const perGroup = outputs / op.groups;
  visitWindows(x, y, [height, width], op, op.dilations, ({ pixel, position, place }) => {
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor(o / perGroup) * channels;
      for (let c = 0; c < channels; c++) {
        visit(pixel * x.shape[3]! + first + c, (place * channels + c) * outputs + o, position * outputs + o);
      }
    }
  });
}

export function convolve(op: Convolution, x: OracleArray, w: OracleArray, type: ArrayType): Float64Array {
  const result = new Float64Array(sizeOf(type.shape));
  products(op, x.type, w.type, type, (atX, atW, atY) => {
    result[atY] = result[atY]! + x.data[atX]! * w.data[atW]!;
  });
  return result;
}

export function convolveInput(op: Convolution, dy: OracleArray, w: OracleArray, type: ArrayType): Float64Array {
  const result = new Float64Array(sizeOf(type.shape));
  products(op, type, w.type, dy.type, (atX, atW, atY) => {
    result[atX] = result[atX]! + dy.data[atY]! * w.data[atW]!;
  });
  return result;
}

export function convolveWeight(op: Convolution, x: OracleArray, dy: OracleArray, type: ArrayType): Float64Array {
  const result = new Float64Array(sizeOf(type.shape));
  products(op, x.type, type, dy.type, (atX, atW, atY) => {
    result[atW] = result[atW]! + x.data[atX]! * dy.data[atY]!;
  });
  return result;
}

/** For each element of y: what its window saw, as places in x. */
function seen(op: Pooling, x: ArrayType, y: ArrayType): readonly (readonly number[])[] {
  const channels = x.shape[3]!;
  const places = Array.from({ length: sizeOf(y.shape) }, (): number[] => []);
  visitWindows(x, y, op.size, op, [1, 1], ({ pixel, position }) => {
    for (let c = 0; c < channels; c++) places[position * channels + c]!.push(pixel * channels + c);
  });
  return places;
}

export function pool(op: Pooling, x: OracleArray, type: ArrayType): Float64Array {
  return Float64Array.from(seen(op, x.type, type), (places) => {
    const values = places.map((i) => x.data[i]!);
    return op.fn === "max" ? Math.max(...values) : values.reduce((sum, v) => sum + v, 0) / values.length;
  });
}

export function poolInput(op: Pooling, x: OracleArray, dy: OracleArray, y: ArrayType, type: ArrayType): Float64Array {
  const result = new Float64Array(sizeOf(type.shape));
  for (const [position, places] of seen(op, x.type, y).entries()) {
    const share = op.fn === "max" ? 1 : 1 / places.length;
    const greatest = Math.max(...places.map((i) => x.data[i]!));
    const receivers = op.fn === "max" ? places.filter((i) => x.data[i] === greatest).slice(0, 1) : places;
    for (const i of receivers) result[i] = result[i]! + dy.data[position]! * share;
  }
  return result;
}
